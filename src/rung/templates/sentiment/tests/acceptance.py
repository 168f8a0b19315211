"""The load test of the major: the traffic that is expected at the busiest hour, judged by the specification's SLAs."""

import random

from rung.schema import Request
from rung.testing import AcceptanceTest, Stage

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.service import Route

BEGINNINGS = ("A touching film", "An endless film", "The script", "Her second feature", "The last act")
MIDDLES = ("that is clever and warm", "without an idea of its own", "that one forgets on the way home", "full of life")
ENDINGS = ("and I would see it again.", "but the music helps.", "from the first scene to the last.", "for all ages.")


def requests() -> list[Request[Instance, Parameters]]:
    """Three in four are of one sentence, the others of ten, as reviews are published; on the dearer of the routes."""
    return [Request[Instance, Parameters](instances=sentences(size)) for size in (1, 1, 1, 10) * 5]


def sentences(count: int) -> list[Instance]:
    """Draw sentences that differ: equal ones would flatter anything that remembers its answers."""
    parts = (BEGINNINGS, MIDDLES, ENDINGS)
    return [
        Instance(text=f"{random.randint(2, 99)} minutes in: {' '.join(map(random.choice, parts))}")
        for _ in range(count)
    ]


acceptance_test = AcceptanceTest(
    requests=requests,
    route=Route.LARGE,
    stages=[
        Stage(users=2, duration=2, interval=0.05),  # seconds; a user waits `interval` between two requests
        Stage(users=4, duration=4, interval=0.05),
    ],
)
