"""The life of a service that asks for a number alone: datasets in versions, features fetched inside, lineage, replay.

One platform; the tests are its chapters, in order. What the housing story tells of promotion is not told again.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from live_platform import LivePlatform, live_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

PARCELS = Path("experiments/parcels")
HOUSE = {"parcel": 4_711, "valued_on": "1996-06-15"}


@dataclass(slots=True, kw_only=True)
class Story:
    """What has happened so far."""

    platform: LivePlatform
    asked: str = ""
    """A prediction that was made."""

    def change(self, before: str, after: str, *, file: str = "train/main.py") -> None:
        path = self.platform.root / PARCELS / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def ingest(self, year: int, *words: str) -> dict[str, Any]:
        return self.platform.ask("data", "ingest", f"data/deliveries/sales-{year}.csv", "--name", "sales", *words)

    def value(self, *instances: dict[str, Any], revision: str = "") -> httpx2.Response:
        """Have parcels valued in production, or by one revision (`m1`)."""
        path = "/".join(part for part in (self.platform.gateway, "parcels/v1", revision, "predict") if part)
        return httpx2.post(path, json={"instances": instances}, headers={"x-unit-id": "me"}, timeout=30)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with live_platform() as platform:
        platform.rung("new", "parcels", "--template", "parcels")
        story = Story(platform=platform)
        # the same load test, shorter: seconds are dear here, and the machine may be busy
        story.change("duration=2,", "duration=1,", file="tests/acceptance.py")
        story.change("duration=4,", "duration=1,", file="tests/acceptance.py")
        story.change("requests=requests,", "requests=requests,\n    steady_s=3,", file="tests/acceptance.py")
        story.change("latency_p99_ms = 250 ", "latency_p99_ms = 5000 ", file="specification.md")
        subprocess.run([platform.python, "-m", "experiments.parcels.deliveries"], cwd=platform.root, check=True)
        platform.commit("Begin parcels")
        platform.rung("up", "--detach")
        yield story


def test_deliveries_become_versions(story: Story):
    register = ("data/deliveries/parcels.parquet", "--name", "parcels", "--key", "parcel")
    contract = "experiments.parcels.schema.data"
    parcels = story.platform.ask("data", "ingest", *register, "--contract", f"{contract}:Parcel")
    keyed = ("--key", "parcel,sold_on", "--time", "sold_on", "--contract", f"{contract}:Sale")
    sales = [story.ingest(1993, *keyed), story.ingest(1994), story.ingest(1995)]

    assert parcels["added"] == 25_357
    assert [one["version"]["number"] for one in sales] == [1, 2, 3]
    assert [one["added"] for one in sales] == [3_260, 3_719, 4_130]
    assert story.ingest(1995)["version"] is None


def test_benchmark_asks_for_a_number_alone(story: Story):
    assert story.platform.deploy("parcels") == "parcels.v1.m0"

    answer = story.value(HOUSE, revision="m0")
    unknown = story.value(HOUSE, {**HOUSE, "parcel": 9_999_999}, revision="m0")

    assert answer.status_code == 200, answer.text
    assert 400 <= unknown.status_code < 500
    assert unknown.json()["errors"][0]["pointer"] == "/instances/1"


def test_first_real_revision_takes_all(story: Story):
    story.change('] = "benchmark"', '] = "boosting"')
    assert story.platform.deploy("parcels") == "parcels.v1.m1"

    attempt = story.platform.ask("promote", "parcels.v1.m1")

    assert attempt["outcome"] == "promoted"
    answer = story.value(HOUSE, {**HOUSE, "parcel": 1_901})
    assert answer.headers["x-revision"] == "parcels.v1.m1"
    story.asked = answer.headers["x-request-id"]


def test_run_is_tied_to_the_versions_that_it_read(story: Story):
    run = story.platform.revision("parcels.v1.m1")["run"]
    record = story.platform.ask("runs", "show", run)
    read = {one["path"] for task in record["tasks"] for one in task["data"]}

    assert read == {"dataset:sales@3", "dataset:parcels@1"}


def test_another_year_makes_another_version_and_newer_features(story: Story):
    before = story.value(HOUSE, revision="m1").json()["predictions"]
    assert story.ingest(1996)["version"]["number"] == 4

    def is_newer() -> bool:
        return story.value(HOUSE, revision="m1").json()["predictions"] != before

    story.platform.wait(is_newer)
    story.change('max_iter: Annotated[int, Field(ge=1, le=5_000, description="boosting: number of trees")] = 200', 'max_iter: Annotated[int, Field(ge=1, le=5_000, description="boosting: number of trees")] = 100')  # fmt: skip  # noqa: E501
    assert story.platform.deploy("parcels") == "parcels.v1.m2"
    run = story.platform.ask("runs", "show", story.platform.revision("parcels.v1.m2")["run"])
    assert "dataset:sales@4" in {one["path"] for task in run["tasks"] for one in task["data"]}


def test_what_was_served_is_what_training_would_have_seen(story: Story):
    """No skew: the features that went into answers, joined again from the versions of then."""
    story.platform.rung("features", "verify", "parcels.v1.m1")


def test_prediction_is_made_again_bit_for_bit(story: Story):
    replayed = story.platform.ask("why", story.asked, "--replay")

    assert replayed["identical"], replayed


def test_lineage_leads_both_ways(story: Story):
    down = json.dumps(story.platform.ask("lineage", "sales@4", "--down"))
    up = json.dumps(story.platform.ask("lineage", "parcels.v1.m1", "--up"))

    assert "parcels.v1.m2" in down
    assert "parcels.v1.m1" not in down
    assert {"sales@3", "parcels@1"} <= set(re.findall(r"[a-z]+@[0-9]", up))
    assert "sales@4" not in up


def test_older_run_is_reproduced_from_the_version_of_then(story: Story):
    told = story.platform.rung("reproduce", "parcels.v1.m1")

    assert "same digests" in told.stdout


def test_predictions_become_a_dataset(story: Story):
    story.platform.rung("data", "feedback", "parcels")
    shown = story.platform.ask("data", "show", "parcels.predictions")

    assert shown["version"]["rows"] >= 2
    assert {"instance.parcel", "prediction.price"} <= shown["version"]["columns"].keys()
