from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rung.errors import CallError
from rung.gateway import Production, Split, assigned
from rung.lake import Stretch

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def production(share: float, salt: str | None = None) -> Production:
    split = replace(Split.ab(experiment="e1", challenger="housing.v1.m2", share=share), salt=salt)
    return Production(service="housing", major=1, incumbent="housing.v1.m1", split=split)


def arm(unit: str, share: float = 0.5, salt: str | None = None) -> str:
    found = assigned(production(share, salt), unit)
    assert found is not None
    return found.name


def stretch(share: float, minute: float = 0) -> Stretch:
    return Stretch.of(START + timedelta(minutes=minute), production(share))


HALF = stretch(0.5)


def test_assignments_of_the_gateway_agree(lake: Lake, writer: Writer):
    for number in range(1200):
        writer.predict(f"u{number}", arm(f"u{number}"))
    lake.ship()
    found = lake.audit("e1", [HALF], other="e2")
    assert (found.units, found.disagreements, found.flips, found.examples) == (1200, 0, 0, ())
    assert found.uniformity is not None
    assert found.uniformity > 0.001
    assert found.independence is not None
    assert found.independence > 0.001
    assert lake.audit("e1", [HALF], sample=50).units == 50
    assert lake.audit("e1", [HALF], sample=50).uniformity is None


def test_units_of_which_a_hash_is_kept_are_left_out(lake: Lake, writer: Writer):
    for number in range(100):
        writer.predict(f"u{number}", arm(f"u{number}"))
        writer.predict(f"hmac:{number:064x}", "challenger")
    lake.ship()
    found = lake.audit("e1", [HALF])
    assert (found.units, found.disagreements) == (100, 0)


def test_an_experiment_depends_on_itself(lake: Lake, writer: Writer):
    for number in range(300):
        writer.predict(f"u{number}", arm(f"u{number}"))
    lake.ship()
    found = lake.audit("e1", [HALF], other="e1").independence
    assert found is not None
    assert found < 1e-9


def test_a_unit_in_both_arms_flips(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    writer.predict("a", "challenger", minute=1)
    writer.predict("b", arm("b"))
    lake.ship()
    found = lake.audit("e1", [HALF])
    assert (found.units, found.disagreements, found.flips, found.examples) == (2, 1, 1, ("a",))


def test_a_wrong_arm_disagrees(lake: Lake, writer: Writer):
    wrong = "incumbent" if arm("a") == "challenger" else "challenger"
    writer.predict("a", wrong)
    lake.ship()
    found = lake.audit("e1", [HALF])
    assert (found.disagreements, found.flips) == (1, 0)


def test_a_salt_draws_units_anew(lake: Lake, writer: Writer):
    for number in range(50):
        writer.predict(f"u{number}", arm(f"u{number}", salt="pepper"))
    lake.ship()
    assert lake.audit("e1", [HALF], salt="pepper").disagreements == 0
    assert lake.audit("e1", [HALF]).disagreements > 0


def test_a_ramp_moves_units_without_a_flip(lake: Lake, writer: Writer):
    for number in range(50):
        unit = f"u{number}"
        writer.predict(unit, arm(unit, 0.1), minute=0)
        writer.predict(unit, arm(unit, 0.1), minute=10.05)
        writer.predict(unit, arm(unit, 0.9), minute=11)
    lake.ship()
    found = lake.audit("e1", [stretch(0.1), stretch(0.9, minute=10)])
    assert (found.units, found.disagreements, found.flips) == (50, 0, 0)
    hasty = lake.audit("e1", [stretch(0.1), stretch(0.9, minute=10)], grace=timedelta(0))
    assert hasty.flips == hasty.disagreements > 0


def test_any_number_of_arms_is_audited(lake: Lake, writer: Writer):
    thirds = Stretch(begin=START, buckets=(("m1", 0), ("m2", 0), ("m3", 10_000)))
    writer.predict("a", "m3")
    lake.ship()
    assert lake.audit("e1", [thirds]).disagreements == 0


def test_stretches_must_be_whole_and_in_order(lake: Lake):
    with pytest.raises(CallError, match="10000"):
        Stretch(begin=START, buckets=(("m1", 1),))
    with pytest.raises(CallError, match="in order"):
        lake.audit("e1", [HALF, HALF])
    with pytest.raises(CallError, match="at least one"):
        lake.audit("e1", [])


def test_shares_that_were_taken_before_that_was_known_are_no_disagreement(lake: Lake, writer: Writer):
    decided, known = START + timedelta(minutes=9.9), stretch(0.9, minute=10)
    for number in range(50):
        unit = f"u{number}"
        writer.predict(unit, arm(unit, 0.1), minute=9)
        writer.predict(unit, arm(unit, 0.9), minute=9.95)
    lake.ship()
    assert lake.audit("e1", [stretch(0.1), known]).flips > 0
    found = lake.audit("e1", [stretch(0.1), replace(known, decided=decided)])
    assert (found.units, found.disagreements, found.flips) == (50, 0, 0)
