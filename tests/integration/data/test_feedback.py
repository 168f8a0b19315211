"""What a service answered and what came of it, as a dataset: brought up to date, changed by late outcomes, private."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.data import Dataset, open_catalogue, reading_from
from rung.data.feedback import DOCUMENT, refresh
from rung.errors import ConflictError, NotFoundError
from rung.lake import OUTCOMES, AppendLog, outcome_line, prediction_line
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

DATASET = "housing.predictions"
NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


class Shop:
    """A workspace whose services were asked."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root=root, state=root / ".rung")
        self.catalogue = open_catalogue(self.workspace)
        self.minute = 0

    def set(self, text: str) -> None:
        (self.workspace.root / "rung.toml").write_text(text)

    def answer(self, identity: str, unit: str | None = None, **more: Any) -> None:
        """Log an answered request; each a minute after the last one."""
        self.minute += 1
        time = more.pop("time", NOW + timedelta(minutes=self.minute))
        given: dict[str, Any] = {"kind": "production", "revision": "housing.v1.m1", "status": 200, "x": self.minute}
        given |= more
        x = given.pop("x")
        log = AppendLog(self.workspace.state / "lake" / "log")
        log.append(
            prediction_line(
                id=identity,
                time=_microseconds(time),
                duration_ms=1.0,
                unit=unit,
                instances=json.dumps([{"x": x}]).encode(),
                predictions=json.dumps([{"y": 2.0 * self.minute}]).encode(),
                **given,
            )
        )
        log.close()

    def report(self, value: float, *, metric: str = "sale_price", minute: float | None = None, **about: str) -> None:
        """Log an outcome, half a minute after the last answer."""
        time = _microseconds(NOW + timedelta(minutes=self.minute + 0.5 if minute is None else minute))
        log = AppendLog(self.workspace.state / "lake" / "log", stream=OUTCOMES)
        log.append(outcome_line(service="housing", metric=metric, value=value, received=time, time=time, **about))
        log.close()

    def refresh(self, **more: Any) -> Any:
        return refresh(self.workspace, "housing", **more)

    def rows(self, number: int | None = None) -> pl.DataFrame:
        return self.catalogue.scan(self.catalogue.version(DATASET, number)).collect().sort("time", "id", "position")

    def prices(self) -> dict[str, float | None]:
        rows = self.rows()
        return dict(rows.select("id", "outcome.sale_price").iter_rows()) if "outcome.sale_price" in rows.columns else {}


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    (tmp_path / "rung.toml").touch()
    return Shop(tmp_path)


def test_answers_become_a_dataset(shop: Shop):
    shop.answer("p1", "u1", parameters=b'{"scale":0.5}')
    shop.answer("p2", "u2")
    shop.report(90.0, unit="u1")
    done = shop.refresh(by="ada")
    assert (done.dataset, done.version.rows, done.version.by, done.requests) == (DATASET, 2, "ada", 2)
    first, second = shop.rows().rows(named=True)
    assert first["id"] == "p1"
    assert (first["unit"], first["revision"], first["kind"]) == ("u1", "housing.v1.m1", "production")
    assert (first["instance.x"], first["parameters.scale"], first["prediction.y"]) == (1, 0.5, 2.0)
    assert (first["outcome.sale_price"], second["outcome.sale_price"]) == (90.0, None)
    entry = shop.catalogue.entry(DATASET)
    assert (entry.key, entry.time) == (["id", "position"], "time")


def test_training_reads_it_by_its_name(shop: Shop):
    shop.answer("p1")
    shop.refresh()
    with reading_from(shop.catalogue):
        dataset = Dataset(DATASET)
        assert dataset.polars(["instance.x"]).rows() == [(1,)]
        assert dataset.ref == f"{DATASET}@1"


def test_only_what_is_new_is_read(shop: Shop):
    shop.answer("p1")
    shop.refresh()
    shop.answer("p2")
    done = shop.refresh()
    assert (done.requests, done.version.added, done.version.changed, done.version.rows) == (1, 1, 0, 2)
    assert shop.refresh().version is None


def test_late_outcome_changes_a_row(shop: Shop):
    shop.answer("p1", "u1")
    shop.answer("p2", "u2")
    shop.refresh()
    shop.report(90.0, unit="u1")
    done = shop.refresh()
    assert (done.version.added, done.version.changed) == (0, 1)
    assert shop.prices() == {"p1": 90.0, "p2": None}
    assert "outcome.sale_price" not in shop.rows(1).columns


def test_outcome_names_its_prediction(shop: Shop):
    shop.answer("p1", "u1")
    shop.answer("p2", "u1")
    shop.report(70.0, prediction_id="p1")
    shop.refresh()
    assert shop.prices() == {"p1": 70.0, "p2": None}


def test_outcome_may_come_before_its_prediction_is_shipped(shop: Shop):
    shop.answer("p0")
    shop.report(70.0, prediction_id="p1")
    shop.refresh()
    shop.answer("p1")
    shop.refresh()
    assert shop.prices() == {"p0": None, "p1": 70.0}


def test_outcome_moves_to_a_later_answer(shop: Shop):
    shop.answer("p1", "u1", time=NOW + timedelta(minutes=1))
    shop.report(70.0, unit="u1", minute=9)
    shop.refresh()
    assert shop.prices() == {"p1": 70.0}
    shop.answer("p2", "u1", time=NOW + timedelta(minutes=5))
    shop.refresh()
    assert shop.prices() == {"p1": None, "p2": 70.0}


def test_several_outcomes_of_one_metric_are_their_mean(shop: Shop):
    shop.answer("p1", "u1")
    shop.report(70.0, unit="u1")
    shop.report(90.0, unit="u1")
    shop.report(90.0, unit="u1")  # sent again
    shop.report(1.0, metric="sold", unit="u1")
    shop.refresh()
    row = shop.rows().row(0, named=True)
    assert (row["outcome.sale_price"], row["outcome.sold"]) == (80.0, 1.0)


def test_other_kinds_and_failures_do_not_count(shop: Shop):
    shop.answer("p1")
    shop.answer("p2", kind="test")
    shop.answer("p3", status=500)
    shop.answer("p4", revision="other.v1.m0")
    shop.refresh()
    assert shop.rows()["id"].to_list() == ["p1"]
    done = shop.refresh(kinds=["test", "production"])
    assert shop.rows()["id"].to_list() == ["p1", "p2"]
    assert done.version.number == 2
    assert shop.refresh(kinds=["production", "test"]).version is None


def test_request_that_was_answered_twice_is_one_row(shop: Shop):
    shop.answer("p1")
    shop.answer("p1")
    shop.refresh()
    shop.answer("p1")
    shop.refresh()
    assert shop.rows().select("id", "prediction.y").rows() == [("p1", 6.0)]


def test_column_takes_the_type_that_holds_all(shop: Shop):
    shop.answer("p1", x=1)
    shop.refresh()
    shop.answer("p2", x=1.5)
    shop.refresh()
    assert shop.rows()["instance.x"].to_list() == [1.0, 1.5]
    shop.answer("p3", x="many")
    shop.refresh()
    assert shop.rows()["instance.x"].to_list() == ["1.0", "1.5", "many"]


def test_service_that_was_never_asked_has_none(shop: Shop):
    with pytest.raises(NotFoundError, match="housing has answered no request of the kind production"):
        shop.refresh()
    assert not shop.catalogue.has(DATASET)


def test_what_a_killed_process_left_is_read_over_again(shop: Shop):
    shop.answer("p1", "u1")
    shop.refresh()
    shop.answer("p2", "u1")
    shop.report(5.0, unit="u1")
    version = shop.refresh().version
    shop.catalogue.shelf(DATASET).objects.delete(f"kept/{version.number:08}/{DOCUMENT}.json")
    done = shop.refresh()
    assert (done.requests, done.version) == (1, None)
    assert shop.catalogue.kept(DATASET, version.number, DOCUMENT)["revisions"] == {"housing.v1.m1": 2}


def test_private_fields_never_reach_it(shop: Shop):
    shop.set('[services.housing.log]\ndrop = ["instance.x"]\nhash = ["unit"]\n')
    shop.answer("p1", "customer-7")
    shop.report(5.0, unit="customer-7")
    shop.refresh()
    rows = shop.rows()
    assert "instance.x" not in rows.columns
    assert rows["unit"][0].startswith("hmac:")
    assert rows["outcome.sale_price"].to_list() == [5.0]
    files = (shop.workspace.state / "lake" / "datasets").rglob("*")
    assert not any(b"customer-7" in file.read_bytes() for file in files if file.is_file())


def test_rebuilding_applies_rules_that_are_new(shop: Shop):
    shop.answer("p1", "customer-7")
    shop.refresh()
    shop.set('[services.housing.log]\ndrop = ["unit"]\n')
    done = shop.refresh(rebuild=True)
    assert shop.rows()["unit"].to_list() == [None]
    assert done.version.number == 2


def test_old_rows_are_removed_and_forgotten(shop: Shop):
    shop.answer("old", time=NOW - timedelta(days=40))
    shop.answer("p1", time=NOW - timedelta(days=2))
    old = shop.refresh().version
    shop.set("[services.housing.log]\nretention_days = 30\n")
    done = shop.refresh()
    assert shop.rows()["id"].to_list() == ["p1"]
    assert done.forgotten == (old.number,)
    with pytest.raises(NotFoundError, match=r"it was forgotten on .*: it held rows older than services.housing.log"):
        shop.catalogue.version(DATASET, old.number)
    folder = shop.workspace.state / "lake" / "datasets" / DATASET
    assert not (folder / old.files[0].path).exists()
    assert [version.number for version in shop.catalogue.versions(DATASET)] == [2]
    assert shop.refresh().version is None


def test_forgetting_keeps_files_that_others_need(shop: Shop):
    for identity in ("p1", "p2", "p3"):
        shop.answer(identity)
        shop.refresh()
    shop.catalogue.forget(DATASET, 2, because="a test")
    assert shop.rows(1)["id"].to_list() == ["p1"]
    assert shop.rows(3)["id"].to_list() == ["p1", "p2", "p3"]
    assert shop.catalogue.forgotten(DATASET, 2)["because"] == "a test"
    shop.catalogue.forget(DATASET, 2, because="again")  # what a killed process left would be removed
    with pytest.raises(ConflictError, match="is the newest version"):
        shop.catalogue.forget(DATASET, 3, because="a test")
    with pytest.raises(NotFoundError, match="no version"):
        shop.catalogue.forget(DATASET, 9, because="a test")


def test_version_tells_openlineage(shop: Shop):
    shop.answer("p1")
    shop.refresh()
    shop.refresh()
    lines = (shop.workspace.state / "log" / "openlineage.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "outcome", "named", "refresh"]),
        st.integers(0, 2),
        st.integers(1, 30),
        st.integers(0, 3),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_in_steps_it_becomes_what_it_becomes_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, int]]
):
    root = tmp_path_factory.mktemp("shop")
    (root / "rung.toml").touch()
    shop = Shop(root)
    shop.answer("p0", "u0", time=NOW)
    for place, (what, unit, minute, value) in enumerate(steps, 1):
        if what == "answer":
            shop.answer(f"p{place}", f"u{unit}", time=NOW + timedelta(minutes=minute), x=[None, 1, 2, 2.5][value])
        elif what == "outcome":
            shop.report(float(value), unit=f"u{unit}", minute=minute, metric=f"m{value % 2}")
        elif what == "named":
            shop.report(float(value), prediction_id=f"p{minute % len(steps)}", minute=minute)
        else:
            shop.refresh()
    shop.refresh()
    in_steps = shop.rows()
    shop.refresh(rebuild=True)
    at_once = shop.rows()
    names = [name for name in in_steps.columns if not in_steps[name].is_null().all()]
    assert set(names) <= set(at_once.columns)
    assert in_steps.select(names).rows() == at_once.select(names).rows()
