"""Lineage, the trace of a prediction and its replay on a real platform that was taken down."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import polars as pl
import pytest

from rung.data import Facts, Replace, Upsert, open_catalogue
from rung.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

BODY = {"instances": [{"x": 3}, {"x": 4}], "parameters": {"offset": 0.25}}


@dataclass
class Story:
    """A platform that answered, then was taken down."""

    platform: LivePlatform
    prediction: str
    refused: str
    torn: str
    """A prediction of a revision that was torn down."""
    seen: dict[str, Any]
    """What the control plane told while it was up."""

    def lineage(self, name: str, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = self.platform.ask("lineage", name, *words)
        return found

    def names(self, name: str, *words: str) -> set[str]:
        return {node["name"] for node in self.lineage(name, *words)["nodes"]}


@pytest.fixture(scope="module")
def story(platform: LivePlatform) -> Iterator[Story]:
    post = f"{platform.gateway}/tiny/v1/predict"
    platform.wait(lambda: httpx2.post(post, json=BODY, headers={"x-unit-id": "u0"}).is_success)
    answer = httpx2.post(post, json=BODY, headers={"x-unit-id": "u1"})
    assert answer.is_success, answer.text
    refused = httpx2.post(post, json={"instances": [{"x": 666}]}, headers={"x-unit-id": "u2"})
    torn = httpx2.post(f"{platform.gateway}/tiny/v1/m0/predict", json=BODY)
    outcome = {"service": "tiny", "metric": "right", "value": 1, "unit": "u1"}
    httpx2.post(f"{platform.gateway}/outcomes", json=outcome).raise_for_status()
    identity = answer.headers["x-request-id"]
    platform.wait(lambda: platform.api(f"/predictions/{identity}").json().get("outcomes"))
    seen = {
        "why": platform.api(f"/predictions/{identity}").json(),
        "lineage": platform.api("/lineage", params={"of": "tiny.v1.m1", "down": "false"}).json(),
        "nothing": platform.api("/lineage", params={"of": "nothing"}).status_code,
    }
    catalogue = open_catalogue(platform.place.workspace)
    rows = pl.DataFrame({"house": ["a", "b"], "price": [1.0, 2.0]})
    catalogue.write("sales", rows, how=Replace(), facts=Facts(source="sales/2025.csv", source_digest="sha256:11"))
    catalogue.write("sales", rows.with_columns(price=3.0), how=Upsert(key=("house",)), facts=Facts(run="tiny.v1.m0"))
    catalogue.write("houses", rows, how=Replace(), facts=Facts(parents=["sales@2"]))
    platform.rung("teardown", "tiny.v1.m0")
    platform.rung("down")
    platform.rung("data", "feedback", "tiny")
    return Story(platform, identity, refused.headers["x-request-id"], torn.headers["x-request-id"], seen)


def test_prediction_is_traced(story: Story):
    traced = story.platform.ask("why", story.prediction)
    assert (traced["revision"], traced["route"], traced["unit"]) == ("tiny.v1.m1", "predict", "u1")
    assert traced["decision"]["state"] == "incumbent"
    assert "it passed all gates" in traced["decision"]["because"]
    assert traced["decision"]["since"] < traced["time"].replace(" ", "T")
    made_of = traced["made_of"]
    assert made_of["artifacts"].keys() >= {"load_data", "build_model", "evaluate", "held_out"}
    assert set(made_of["formats"].values()) == {"json"}
    assert len(made_of["commit"]) == 40
    assert [(one["metric"], one["value"]) for one in traced["outcomes"]] == [("right", 1.0)]


def test_control_plane_told_the_same(story: Story):
    traced = story.platform.ask("why", story.prediction)
    assert {**story.seen["why"], "time": None} == {**traced, "time": None}
    nodes = story.seen["lineage"]["nodes"]
    assert {node["name"] for node in nodes} >= {"tiny.v1.m1", "build_model"}
    assert story.seen["nothing"] == 404


def test_prediction_is_made_again_bit_for_bit(story: Story):
    found = story.platform.ask("why", story.prediction, "--replay")
    assert found["identical"], found["because"]
    assert found["then"] == found["now"] == [{"y": 3.25}, {"y": 4.25}]
    assert found["environment"] == "in the environment that it was trained in"
    assert story.platform.processes() == []


def test_prediction_of_a_torn_down_revision_is_made_again(story: Story):
    found = story.platform.ask("why", story.torn, "--replay")
    assert (found["revision"], found["identical"]) == ("tiny.v1.m0", True)
    traced = story.platform.ask("why", story.torn)
    assert (traced["kind"], traced["decision"]["state"]) == ("exact", "candidate")
    nodes = story.lineage("tiny.v1.m0")["nodes"]
    assert next(node["told"] for node in nodes if node["kind"] == "revision").startswith("torn_down")


def test_refusal_is_made_again_too(story: Story):
    found = story.platform.ask("why", story.refused, "--replay")
    assert found["identical"], found["because"]
    assert found["then"]["status"] == 500


def test_replay_leaves_no_line_in_the_log(story: Story):
    def count() -> int:
        return Lake(story.platform.place.lake).count()

    before = count()
    story.platform.rung("why", story.prediction, "--replay")
    assert count() == before
    assert list((story.platform.place.lake / "log").glob("*.jsonl")) == []


def test_environment_is_made_again_of_its_lock(story: Story):
    shutil.rmtree(story.platform.place.environments)
    found = story.platform.ask("why", story.prediction, "--replay")
    assert found["identical"], found["because"]
    assert found["environment"].startswith("in an environment that was made again from its lock")


def test_first_difference_is_told(story: Story):
    source = story.platform.place.workspace.state / "revisions" / "tiny.v1.m1" / "source"
    path = source / "experiments" / "tiny" / "serve" / "app.py"
    text = path.read_text()
    path.write_text(text.replace("+ offset", "+ offset + instance.x // 4"))
    try:
        ended = story.platform.rung("why", story.prediction, "--replay", expect=1)
    finally:
        path.write_text(text)
    assert "it differs: /1/y was 4.25, and is 5.25" in ended.stdout


def test_what_cannot_be_asked_again_is_told(story: Story):
    ended = story.platform.rung("why", "00000000-0000-0000-0000-000000000000", "--replay", expect=2)
    assert "there is no prediction" in ended.stderr
    settings = story.platform.root / "rung.toml"
    text = settings.read_text()
    settings.write_text(f'{text}[services.tiny.log]\ndrop = ["instance.x"]\n')
    ended = story.platform.rung("why", story.prediction, "--replay", expect=2)
    settings.write_text(text)
    assert "what tiny is asked is not kept whole" in ended.stderr


def test_lineage_goes_both_ways(story: Story):
    found = story.lineage("tiny.v1.m1")
    kinds = {node["kind"] for node in found["nodes"]}
    assert kinds == {"run", "artifact", "revision", "predictions", "dataset"}
    assert "tiny.predictions@1" in story.names("tiny.v1.m1", "--down")
    assert "tiny.predictions@1" not in story.names("tiny.v1.m1", "--up")
    predictions = next(node for node in found["nodes"] if node["kind"] == "predictions")
    assert sum(kinds.get("production", 0) for kinds in predictions["data"]["days"].values()) >= 2


def test_lineage_of_a_dataset(story: Story):
    assert story.names("houses@1", "--up") >= {"houses@1", "sales@2", "sales@1", "sales/2025.csv", "tiny.v1.m0"}
    assert story.names("sales/2025.csv", "--down") >= {"sales@1", "sales@2", "houses@1"}
    assert story.names("sales") >= {"sales@1", "sales@2", "houses@1"}
    assert "tiny.v1.m1" in story.names("tiny.predictions", "--up")


def test_lineage_of_a_prediction(story: Story):
    names = story.names(story.prediction)
    assert names >= {story.prediction, "tiny.v1.m1", "build_model", "right 1"}


def test_lineage_of_an_artifact_by_the_beginning_of_its_digest(story: Story):
    digest = story.platform.ask("why", story.prediction)["made_of"]["artifacts"]["build_model"]
    for name in (digest, digest[7:17]):
        assert "tiny.v1.m1" in story.names(name, "--down")


def test_lineage_is_printed_and_drawn(story: Story):
    printed = story.platform.rung("lineage", "tiny.v1.m1").stdout
    assert "made of" in printed
    assert "└─ predictions of tiny.v1.m1" in printed
    story.platform.rung("lineage", "tiny.v1.m1", "--svg", "lineage.svg")
    root = ET.fromstring((story.platform.root / "lineage.svg").read_text())  # noqa: S314  of our own making
    assert "tiny.v1.m1" in "".join(element.text or "" for element in root.iter())


def test_what_is_not_known_is_told_with_what_is_near(story: Story):
    ended = story.platform.rung("lineage", "hauses", expect=2)
    assert "nothing on record is called 'hauses'" in ended.stderr
    assert "did you mean houses" in ended.stderr


def test_events_of_trainings_are_in_the_log(story: Story):
    path = story.platform.place.workspace.state / "log" / "openlineage.jsonl"
    jobs = [json.loads(line)["job"]["name"] for line in path.read_text().splitlines()]
    assert jobs.count("tiny.training") == 4  # begin and end of both trainings
    assert "tiny.predictions.ingest" in jobs
