"""The load test of the major: the traffic that is expected at the busiest hour, judged by the specification's SLAs."""

from rung.schema import Request
from rung.testing import AcceptanceTest, Stage

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters


def requests() -> list[Request[Instance, Parameters]]:
    """Mostly one house, as from the listing form; now and then a page of ten, as from the valuation desk."""
    house = Instance.model_validate(EXAMPLE)
    return [Request[Instance, Parameters](instances=[house] * size) for size in (1, 1, 1, 1, 10)]


acceptance_test = AcceptanceTest(
    requests=requests,
    stages=[
        Stage(users=1, duration=2, interval=0.05),  # seconds; a user waits `interval` between two requests
        Stage(users=4, duration=4, interval=0.05),
    ],
)
