"""The load test of the major: the traffic that is expected at the busiest hour, judged by the specification's SLAs."""

import random
from datetime import date

from rung.schema import Request
from rung.testing import AcceptanceTest, Stage

from experiments.{{service}}.schema.request import Instance, Parameters


def requests() -> list[Request[Instance, Parameters]]:
    """Three in four are of one house, as from the listing form; the others of ten, as from the valuation desk."""
    return [Request[Instance, Parameters](instances=houses(size)) for size in (1, 1, 1, 10) * 5]


def houses(count: int) -> list[Instance]:
    """Draw parcels, on a day when all are in the register: equal ones would flatter what remembers its answers."""
    return [Instance(parcel=random.randint(1, 25_000), valued_on=date(1998, 12, 31)) for _ in range(count)]


acceptance_test = AcceptanceTest(
    requests=requests,
    stages=[
        Stage(users=2, duration=2, interval=0.05),  # seconds; a user waits `interval` between two requests
        Stage(users=4, duration=4, interval=0.05),
    ],
)
