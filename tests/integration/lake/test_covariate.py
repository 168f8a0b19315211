"""CUPED: what was measured before the experiment makes the comparison sharper, and keeps it fair."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rung.lake import ArmSums, Lake
from rung.lake._arms import compare
from rung.lake._facts import TRAFFIC
from rung.lake._ledger import Total
from rung.lake._units import Exposures, Outcomes, summarize
from rung.stats.effects import Effect, effect

if TYPE_CHECKING:
    from conftest import Writer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def arms(lake: Lake, **changes: Any) -> dict[str, ArmSums]:
    lake.ship()
    return lake.arms("e1", **({"metric": "sold", "since": START, "covariate": "before"} | changes))


def estimate(found: dict[str, ArmSums]) -> Effect:
    return effect(found["challenger"].arm("mean"), found["incumbent"].arm("mean"), kind="mean", goal="maximize")


def traffic(writer: Writer, units: int, *, gain: float, covered: float = 1.0, seed: int = 1) -> None:
    """Write units whose outcome is like the one that they had before."""
    rng = np.random.default_rng(seed)
    for number in range(units):
        before, noise = rng.normal(10, 3), rng.normal(0, 1)
        if rng.random() < covered:
            writer.measure(before + rng.normal(0, 0.5), minute=-60, unit=f"u{number}")
        challenger = rng.random() < 0.5
        writer.predict(f"u{number}", "challenger" if challenger else "incumbent", minute=0)
        writer.measure(before + noise + gain * challenger, minute=5, unit=f"u{number}")


def test_a_covariate_sharpens_and_stays_fair(lake: Lake, writer: Writer):
    traffic(writer, 1000, gain=0.5)
    plain = estimate(arms(lake, covariate=None))
    found = arms(lake)
    sharp = estimate(found)
    assert found["challenger"].covered == found["challenger"].units
    assert sharp.standard_error < 0.5 * plain.standard_error
    assert sharp.estimate == pytest.approx(0.5, abs=3 * sharp.standard_error)
    assert found["challenger"].m == arms(lake, covariate=None)["challenger"].m


def test_estimates_with_a_covariate_center_on_truth():
    # Sums of the ledger, without the tables: many experiments in little time.
    errors = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        before, challenger = rng.normal(10, 3, 300), rng.random(300) < 0.5
        covered = rng.random(300) < 0.6
        units = np.arange(300)
        values = before + rng.normal(0, 1, 300) + 0.5 * challenger
        sums = summarize(
            Exposures(units=units, moments=2 + challenger),
            Outcomes(units=units, same=units, times=np.full(300, 9), values=values),
            Outcomes(units=units[covered], same=units[covered], times=units[covered], values=before[covered]),
            np.zeros(0, dtype=np.int64),
        )
        total = Total(sums=sums, traffic=TRAFFIC.to_frame(), received=300)
        found = estimate(compare(total).arms)
        errors.append((found.estimate - 0.5) / found.standard_error)
    assert abs(np.mean(errors)) < 3 / np.sqrt(200)
    assert 0.85 < np.std(errors) < 1.15


def test_units_without_a_past_get_the_mean(lake: Lake, writer: Writer):
    traffic(writer, 400, gain=0.0, covered=0.5)
    found = ArmSums.total(arms(lake).values())
    assert 100 <= found.covered < found.units
    assert estimate(arms(lake)).standard_error < 0.9 * estimate(arms(lake, covariate=None)).standard_error
    assert found.z == pytest.approx(10 * found.units, rel=0.1)


def test_a_few_units_with_a_past_are_ignored(lake: Lake, writer: Writer):
    traffic(writer, 90, gain=0.0)
    assert arms(lake) == arms(lake, covariate=None)


def test_the_past_has_an_end(lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rung.lake._arms.FEWEST_COVERED", 1)
    days = 24 * 60
    writer.predict("a", "challenger", minute=1)
    for minute, value in ((-31 * days, 100.0), (-29 * days, 1.0), (-1, 3.0), (0, 50.0), (2, 7.0)):
        writer.measure(value, minute=minute, unit="a")
    writer.measure(1e3, minute=-1, unit="a", metric="other")
    found = arms(lake)["challenger"]
    assert (found.covered, found.z, found.m, found.mz) == (1, 2.0, 7.0, 14.0)
    assert arms(lake, covariate=None)["challenger"].z == 0


def test_the_past_of_a_prediction_is_its_units(lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rung.lake._arms.FEWEST_COVERED", 1)
    name = writer.predict("a", None, minute=-20, experiment=None)
    writer.measure(4.0, minute=-10, prediction_id=name)
    writer.measure(8.0, minute=-10, prediction_id="unheard")
    writer.predict("a", "challenger", minute=1)
    writer.measure(2.0, minute=2, unit="a")
    found = arms(lake)["challenger"]
    assert (found.covered, found.z, found.yz, found.xz) == (1, 4.0, 8.0, 4.0)
