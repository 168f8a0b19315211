"""The load test of the major, judged by the specification's levels.

Still to be written: the traffic that you expect.
"""

from rung.schema import Request
from rung.testing import AcceptanceTest, Stage

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters


def requests() -> list[Request[Instance, Parameters]]:
    """Ask for one instance, and for ten."""
    example = Instance.model_validate(EXAMPLE)
    return [Request[Instance, Parameters](instances=[example] * size) for size in (1, 10)]


acceptance_test = AcceptanceTest(
    requests=requests,
    stages=[Stage(users=2, duration=4, interval=0.05)],  # seconds; a user waits `interval` between two requests
)
