import pytest

from rung.errors import CallError
from rung.stats import Arm, guardrail


def pair(ours: float, theirs: float, units: int = 4_000) -> list[tuple[Arm, Arm]]:
    return [tuple(Arm(units=units, y=units * p, yy=units * p, yyy=units * p) for p in (ours, theirs))]


@pytest.mark.parametrize(
    ("ours", "units", "decision"),
    [
        pytest.param(0.10, 4_000, "holds", id="as good"),
        pytest.param(0.05, 4_000, "holds", id="better"),
        pytest.param(0.14, 4_000, "broken", id="worse than the margin"),
        pytest.param(0.115, 4_000, "undecided", id="half the margin"),
        pytest.param(0.10, 100, "undecided", id="too few units"),
    ],
)
def test_a_guardrail_is_not_inferior(ours: float, units: int, decision: str):
    found = guardrail(pair(ours, 0.10, units), margin=0.03, kind="proportion", goal="minimize")
    assert found.decision == decision, found.because


def test_says_what_is_allowed():
    found = guardrail(pair(0.14, 0.10), margin=0.03, kind="proportion", goal="minimize")
    assert found.because.startswith("the challenger loses: its effect is -0.04")
    assert "a loss of 0.03 is allowed" in found.because


def test_the_margin_is_above_zero():
    with pytest.raises(CallError):
        guardrail(pair(0.1, 0.1), margin=0, kind="proportion", goal="minimize")
