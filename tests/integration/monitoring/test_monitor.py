"""From what servers log to a report: sketched once, held against training and against the week before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rung.artifacts import LocalStore, encode
from rung.errors import NotFoundError
from rung.lake import OUTCOMES, AppendLog, Lake, outcome_line, prediction_line
from rung.monitoring import Sources, monitor, report_from_json, report_to_json, to_html
from rung.serving import Bundle
from rung.serving._bundle import write_bundle
from rung.testing import REFERENCE, Reference

if TYPE_CHECKING:
    from pathlib import Path

    from rung.monitoring import Report

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
METRIC = {
    "name": "within_10_percent",
    "kind": "proportion",
    "goal": "maximize",
    "role": "decision",
    "minimum_effect": 0.03,
    "source": "the price",
    "proximity": "near",
    "score": {"truth": "price", "field": "price", "how": "within", "tolerance": 0.1},
}


class Production:
    """Writes what servers and consumers of `housing.v1.m1` would."""

    def __init__(self, folder: Path) -> None:
        self.random = np.random.default_rng(7)
        self.lake = Lake(folder / "lake")
        self.store = LocalStore(folder / "artifacts")
        self.state = folder
        self.predictions = AppendLog(self.lake.logs)
        self.outcomes = AppendLog(self.lake.logs, OUTCOMES)
        self.count = 0

    def house(self, *, old: float) -> dict[str, object]:
        kind = "old" if self.random.random() < old else "new"
        words = " ".join(self.random.choice(["sunny", "quiet", "large", "garden", "near", "school"], 4))
        return {"area": float(self.random.normal(100, 20)), "kind": kind, "text": words, "built": "1990-05-01"}

    def answer(self, house: dict[str, object]) -> tuple[float, float]:
        """Give what is predicted, and what is paid: old houses are hard to value."""
        price = 1_000.0 * float(house["area"])  # type: ignore[arg-type]
        error = 0.2 if house["kind"] == "old" else 0.05
        return price, price * float(1 + self.random.normal(0, error))

    def day(self, begin: datetime, requests: int, *, old: float = 0.3, word: str = "", **line: object) -> None:
        for number in range(requests):
            self.count += 1
            house = self.house(old=old)
            house["text"] = f"{house['text']} {word}".strip()
            price, paid = self.answer(house)
            at = begin + DAY * number / requests
            self.log({"id": f"p{self.count}"} | line, at, house, {"price": price})
            self.outcomes.append(
                outcome_line(
                    service="housing",
                    metric="within_10_percent",
                    value=float(abs(price - paid) <= 0.1 * paid),
                    received=round((at + timedelta(minutes=5)).timestamp() * 1e6),
                    prediction_id=f"p{self.count}",
                )
            )

    def log(self, line: dict[str, object], at: datetime, instance: object, prediction: object) -> None:
        fields = {"status": 200, "duration_ms": float(self.random.lognormal(1)), "kind": "production"} | line
        self.predictions.append(
            prediction_line(
                revision="housing.v1.m1",
                time=round(at.timestamp() * 1e6),
                instances=json.dumps([instance]).encode(),
                predictions=json.dumps([prediction]).encode(),
                **fields,  # type: ignore[arg-type]
            )
        )

    def train(self) -> None:
        """Keep what evaluation keeps."""
        held_out = [self.house(old=0.3) for _ in range(1_500)]
        answers = [self.answer(house) for house in held_out]
        reference = Reference(
            trained=[self.house(old=0.3) for _ in range(2_000)],
            held_out=held_out,
            truths=[paid for _, paid in answers],
            predictions={"predict": [{"price": price} for price, _ in answers]},
        )
        self.keep(reference, metrics=[METRIC])

    def keep(self, reference: Reference, *, metrics: list[object]) -> None:
        digest = self.store.put(encode(reference.model_dump()))
        bundle = Bundle(
            revision="housing.v1.m1",
            run="r1",
            artifacts={REFERENCE: digest},
            contract={},
            infrastructure={},
            ab_test={"metrics": metrics},
            example={},
        )
        write_bundle(self.state, bundle)

    def report(self, name: str = "housing", *, since: timedelta = DAY, now: datetime = NOW) -> Report:
        self.lake.ship()
        sources = Sources(lake=self.lake, store=self.store, state=self.state)
        (found,) = monitor(name, sources, since=now - since, now=now)
        return found


@pytest.fixture
def production(tmp_path: Path):
    found = Production(tmp_path)
    yield found
    found.predictions.close()
    found.outcomes.close()


def quiet_week(production: Production) -> None:
    for days in range(8, 1, -1):
        production.day(NOW - DAY * days, 80)


def test_quiet_production_raises_no_alarm(production: Production):
    production.train()
    quiet_week(production)
    production.day(NOW - DAY, 600)
    found = production.report()
    assert found.alarms == ()
    assert (found.whole.requests, found.whole.failed, found.whole.rows) == (600, 0, 600)
    assert set(found.references) == {"training", "before"}
    assert {"instance.area", "instance.kind", "instance.text.unknown_words", "prediction.price", "duration_ms"} <= {
        one.column for one in found.drifts
    }
    assert "instance.built" not in {one.column for one in found.drifts}


def test_moved_column_is_found_and_lower_quality_foretold_and_measured(production: Production):
    production.train()
    quiet_week(production)
    production.day(NOW - DAY, 800, old=0.9)
    found = production.report()
    alarms = {(one.kind, one.subject, one.against) for one in found.alarms}
    assert ("drift", "instance.kind", "training") in alarms
    assert ("drift", "instance.kind", "before") in alarms
    assert ("estimate", "within_10_percent", "training") in alarms
    assert ("quality", "within_10_percent", "before") in alarms
    assert ("quality", "within_10_percent", "training") in alarms
    assert {subject for kind, subject, _ in alarms if kind == "drift"} == {"instance.kind"}
    assert found.segments["training"][0].column == "instance.kind"
    estimated = found.estimated
    assert estimated is not None
    assert estimated.estimate.holds, estimated.estimate.because
    assert estimated.measured is not None
    assert estimated.estimate.interval[0] <= estimated.measured <= estimated.estimate.interval[1]
    assert estimated.estimate.value < estimated.held_out - 0.1


def test_unknown_words_are_drift_of_texts(production: Production):
    production.train()
    quiet_week(production)
    production.day(NOW - DAY, 400, word="houseboat harbour")
    subjects = {one.subject for one in production.report().alarms}
    assert "instance.text.unknown_words" in subjects


def test_confidence_is_believed_only_of_texts_like_those_held_out(tmp_path: Path):
    random = np.random.default_rng(3)
    words = [f"word{number}" for number in range(300)]

    def sentence(known: float) -> dict[str, str]:
        chosen = random.choice(words, 8)
        return {"text": " ".join(w if random.random() < known else f"new{random.integers(1e6)}" for w in chosen)}

    def classes() -> dict[str, float]:
        sure = float(random.uniform(0.5, 1))
        return {"good": sure, "bad": 1 - sure}

    asked = [sentence(1.0) for _ in range(1_000)]
    told = [classes() for _ in asked]
    truths = ["good" if random.random() < one["good"] else "bad" for one in told]
    reference = Reference(trained=asked, held_out=asked, truths=truths, predictions={"predict": told})
    production = Production(tmp_path)
    production.keep(reference, metrics=[])
    for day, known in ((2, 1.0), (1, 0.5)):
        for number in range(300):
            at = NOW - DAY * day + timedelta(minutes=number)
            production.log({"id": f"{day} {number}"}, at, sentence(known), classes())
    quiet = production.report(now=NOW - DAY)
    assert quiet.estimated is not None
    assert quiet.estimated.estimate.holds, quiet.estimated.estimate.because
    assert quiet.estimated.metric == "accuracy"
    moved = production.report(since=timedelta(hours=24)).estimated
    assert moved is not None
    assert not moved.estimate.holds
    assert "instance.text.unknown_words moved by" in moved.estimate.because
    production.predictions.close()


def test_failures_are_errors(production: Production):
    quiet_week(production)
    production.day(NOW - DAY, 200)
    production.day(NOW - DAY, 100, status=503)
    found = production.report()
    assert found.whole.failed == 100
    (errors,) = [one for one in found.alarms if one.kind == "errors"]
    assert errors.because == "100 of 300 requests failed; 0 of 560 did the week before"
    assert found.references["training"].startswith("the bundle of housing.v1.m1 is not on this machine")


def test_slower_answers_are_latency_and_faster_ones_are_none(production: Production):
    quiet_week(production)
    production.day(NOW - DAY, 300, duration_ms=40.0)
    (slower,) = [one for one in production.report().alarms if one.kind == "latency"]
    assert "its median rose" in slower.because
    production.day(NOW, 3_000, duration_ms=0.1)
    assert not [one for one in production.report(now=NOW + DAY).alarms if one.kind == "latency"]


def test_looks_add_up_to_what_one_look_finds(production: Production, tmp_path: Path):
    quiet_week(production)
    assert production.report(since=9 * DAY).whole.requests == 560
    production.day(NOW - DAY, 50)
    production.day(NOW - 9 * DAY, 20)  # lines that came late
    again = production.report(since=DAY * 10)
    assert again.whole.requests == 630
    files = {path.name for path in (tmp_path / "monitoring" / "housing").glob("*.sketch")}
    assert production.report(since=DAY * 10).whole == again.whole
    assert files == {path.name for path in (tmp_path / "monitoring" / "housing").glob("*.sketch")}
    for path in (tmp_path / "monitoring" / "housing").iterdir():
        path.unlink()
    anew = production.report(since=DAY * 10)
    assert (anew.whole.requests, anew.now.rows) == (again.whole.requests, again.now.rows)


def test_days_that_are_over_are_one_sketch(production: Production):
    quiet_week(production)
    production.day(NOW - DAY, 50)
    found = production.report(since=7 * DAY)
    steps = [one.begin for one in found.hours]
    assert all(begin.hour == 0 for begin in steps if begin < NOW - 3 * DAY)
    assert any(begin.hour for begin in steps)


def test_requests_of_tests_do_not_count(production: Production):
    production.day(NOW - DAY, 20)
    production.day(NOW - DAY, 30, kind="exact")
    assert production.report().whole.requests == 20


def test_nothing_answered_is_said(production: Production):
    production.day(NOW - 30 * DAY, 5)
    with pytest.raises(NotFoundError, match="has answered no production request since"):
        production.report("housing.v1.m1")


def test_page_needs_nothing_beside_it(production: Production):
    production.train()
    quiet_week(production)
    production.day(NOW - DAY, 300, old=0.9)
    drawn = to_html([production.report(since=3 * DAY)], title="housing <1>")
    assert "housing &lt;1&gt;" in drawn
    assert 'class="alarm"' in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert "within_10_percent" in drawn


def test_report_is_plain_json(production: Production):
    production.train()
    production.day(NOW - DAY, 50)
    assert json.loads(json.dumps(production.report().to_json()))["traffic"]["requests"] == 50


def test_what_was_half_written_is_thrown_away(production: Production, tmp_path: Path):
    quiet_week(production)
    assert production.report(since=9 * DAY).whole.requests == 560
    folder = tmp_path / "monitoring" / "housing"
    (folder / "0123.sketch").write_bytes(b"of a look that was killed")
    production.day(NOW - DAY, 40)
    assert production.report(since=9 * DAY).whole.requests == 600
    assert not (folder / "0123.sketch").exists()
    (folder / "state.json").write_text('{"format": 1, "mark"')
    assert production.report(since=9 * DAY).whole.requests == 600


def test_reference_that_is_gone_is_told(production: Production):
    production.train()
    production.day(NOW - DAY, 40)
    for path in (production.state / "artifacts").rglob("*"):
        if path.is_file():
            path.unlink()
    told = production.report().references["training"]
    assert told == "what the training of housing.v1.m1 kept is not on this machine"


def test_report_comes_back_from_json_as_it_was(production: Production):
    production.train()
    quiet_week(production)
    production.day(NOW - DAY, 300, old=0.9)
    found = production.report()
    again = report_from_json(json.loads(json.dumps(report_to_json(found))))
    assert report_to_json(again) == report_to_json(found)
    assert (again.drifts, again.measured, again.findings) == (found.drifts, found.measured, found.findings)
    assert to_html([again], title="housing") == to_html([found], title="housing")
