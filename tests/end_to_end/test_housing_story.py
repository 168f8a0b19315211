"""The life of the housing service, from an empty folder to a rollback, on real sales: the story that the demo tells.

One platform; the tests are its chapters, in order. Consumers value houses in production from the first promotion on,
and count every request. The platform keeps things in PostgreSQL and in an S3-compatible store; the story of the
sentiment service is told with files.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from experiment_document import written
from hurry import hurrying
from live_platform import LivePlatform, live_platform
from object_store import serving_objects
from postgresql import postgres_server

from rung.client import Client
from rung.demo.consumers import Consumers, live_sales
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSING = Path("experiments/housing")
RATE = 20.0  # production requests per second
RATE_HURRIED = 80.0  # while an A/B test waits for them
HOUSE = {
    "valued_on": "1996-06-15",
    "year_built": 1952,
    "stories": "one",
    "wall": "part_brick",
    "living_area_sqft": 1400,
    "rooms": 6,
    "bedrooms": 3,
    "full_baths": 1,
    "half_baths": 1,
    "garage": "attached",
    "garage_area_sqft": 440,
    "lot_area_sqft": 8000,
    "easting_m": 503000,
    "northing_m": 222000,
}


@dataclass(slots=True, kw_only=True)
class Story:
    """What has happened so far."""

    platform: LivePlatform
    consumers: Consumers | None = None

    def change(self, before: str, after: str, *, file: str = "train/main.py") -> None:
        path = self.platform.root / HOUSING / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def document(self, minor: int) -> None:
        path = self.platform.root / HOUSING / "experiments" / f"v1.m{minor}.md"
        path.write_text(written(f"Attempt {minor}", "Value houses better."))

    def major(self) -> dict[str, Any]:
        (service,) = self.platform.ask("status")["services"]
        assert service["name"] == "housing"
        (major,) = service["majors"]
        return major


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Say where the platform keeps things: in servers, or in files where the machine cannot have those."""
    with contextlib.ExitStack() as servers:
        try:
            postgres = servers.enter_context(postgres_server())
            objects = servers.enter_context(serving_objects())
        except pytest.skip.Exception:
            yield {}
            return
        named = {"RUNG_REGISTRY": postgres.database(migrated=False), "RUNG_STORAGE": objects.bucket()}
        yield {**objects.variables, **named}


@pytest.fixture(scope="module")
def story(stores: dict[str, str]) -> Iterator[Story]:
    with live_platform(variables=stores) as platform:
        platform.rung("new", "housing", "--template", "housing")
        story = Story(platform=platform)
        # the same load test, shorter: seconds are dear here, and the machine may be busy
        story.change("duration=2,", "duration=1,", file="tests/acceptance.py")
        story.change("duration=4,", "duration=1,", file="tests/acceptance.py")
        story.change("requests=requests,", "requests=requests,\n    steady_s=3,", file="tests/acceptance.py")
        story.change("latency_p99_ms = 250 ", "latency_p99_ms = 5000 ", file="specification.md")
        platform.commit("Begin housing")
        platform.rung("up", "--detach")
        try:
            yield story
        finally:
            if story.consumers is not None:
                story.consumers.stop()


def test_fresh_service_keeps_its_contract(story: Story):
    findings = story.platform.ask("check", "housing")
    assert all(finding["passed"] for finding in findings)


def test_training_is_recorded_and_compared(story: Story):
    first = story.platform.ask("train", "housing")
    second = story.platform.ask("train", "housing", "--set", "model=linear")

    listed = story.platform.ask("runs", "list", "housing")
    shown = story.platform.ask("runs", "show", second["id"])
    differences = {row["what"]: row for row in story.platform.ask("runs", "compare", first["id"], second["id"])}

    assert [run["id"] for run in listed] == [second["id"], first["id"]]
    assert shown["settings"] == {"model": "linear"}
    assert shown["status"] == "succeeded"
    assert differences["hyperparameters.model"]["other"] == "linear"
    assert differences["metrics.r2"]["run"] < 0.1 < differences["metrics.r2"]["other"]
    assert "load_data digest" not in differences


def test_benchmark_is_served_and_refused(story: Story):
    assert story.platform.deploy("housing") == "housing.v1.m0"

    refused = story.platform.ask("promote", "housing.v1.m0", expect=2)

    assert "is the benchmark of housing.v1 and is never promoted" in refused["error"]["message"]
    major = story.major()
    assert major["incumbent"] is None
    assert major["challenger"] is None
    (benchmark,) = major["revisions"]
    assert benchmark["benchmark"] is True
    assert (benchmark["id"], benchmark["state"]) == ("housing.v1.m0", "candidate")


def test_major_without_incumbent_says_so(story: Story):
    answer = httpx2.post(f"{story.platform.gateway}/housing/v1/predict", json={"instances": [HOUSE]})
    assert answer.status_code == 503
    assert "housing.v1 has no incumbent yet" in answer.text


def test_first_real_revision_takes_all(story: Story):
    story.change('] = "benchmark"', '] = "linear"')
    assert story.platform.deploy("housing") == "housing.v1.m1"
    attempt = story.platform.ask("promote", "housing.v1.m1")

    assert attempt["outcome"] == "promoted"
    assert [verdict["gate"] for verdict in attempt["verdicts"]] == ["regression", "data", "replay", "load"]
    found = attempt["verdicts"][1]["evidence"]
    assert (found["reference"], found["training_rows"]["leaked"]) == ("housing.v1.m0", 0)
    assert attempt["verdicts"][2]["because"] == "there are no recorded requests yet"
    assert story.major()["incumbent"] == "housing.v1.m1"
    story.consumers = Consumers(
        gateway=story.platform.gateway, sales=live_sales(story.platform.root), requests_per_second=RATE
    )
    story.consumers.start()


def test_answers_say_who_answered(story: Story):
    answer = httpx2.post(
        f"{story.platform.gateway}/housing/v1/predict", json={"instances": [HOUSE]}, headers={"x-unit-id": "me"}
    )
    assert answer.headers["x-revision"] == "housing.v1.m1"
    identity = answer.headers["x-request-id"]

    story.platform.wait(lambda: story.platform.api(f"/predictions/{identity}").status_code == 200)
    traced = story.platform.api(f"/predictions/{identity}").json()

    assert traced["revision"] == "housing.v1.m1"
    assert (traced["unit"], traced["kind"], traced["status"]) == ("me", "production", 200)
    run = story.platform.ask("runs", "show", story.platform.revision(traced["revision"])["run"])
    assert run["commit"] == story.platform.revision("housing.v1.m1")["commit"]
    assert {task["name"] for task in run["tasks"]} == {"load_data", "split", "build_model", "evaluate"}
    assert all(task["digest"].startswith("sha256:") for task in run["tasks"])


def test_client_predicts_and_reports(story: Story):
    with Client(story.platform.gateway) as client:
        answer = client.predict("housing", 1, [HOUSE, HOUSE], unit="someone", parameters={"round_to": 1000})
        client.report("housing", "within_10_percent", 1.0, prediction_id=answer.prediction_id)
        client.report("housing", "within_10_percent", 1.0, unit="someone")
        with pytest.raises(CallError, match="name either unit or prediction_id"):
            client.report("housing", "within_10_percent", 1.0)
        with pytest.raises(CallError, match="living_area_sqft"):
            client.predict("housing", 1, [HOUSE | {"living_area_sqft": -1}])
    assert answer.revision == "housing.v1.m1"
    assert [prediction["price"] % 1000 for prediction in answer.predictions] == [0, 0]


def test_better_challenger_wins_ab_test(story: Story):
    story.change('] = "linear"', '] = "boosting"')
    story.document(2)
    assert story.platform.deploy("housing") == "housing.v1.m2"
    assert story.consumers is not None
    with hurrying(story.platform, "housing.v1.m2", story.consumers, requests_per_second=RATE_HURRIED):
        attempt = story.platform.ask("promote", "housing.v1.m2")

    assert attempt["outcome"] == "promoted"
    assert [verdict["gate"] for verdict in attempt["verdicts"]] == [
        "regression",
        "data",
        "replay",
        "load",
        "experiment",
    ]
    replayed, figures = (attempt["verdicts"][number]["evidence"] for number in (2, 4))
    assert (replayed["asked"], replayed["refused"]) == (200, 0)
    assert figures["metric"] == "within_10_percent"
    assert figures["look"]["effect"] > 0
    assert min(figures["outcomes"].values()) > 20
    states = {revision["id"]: revision["state"] for revision in story.major()["revisions"]}
    assert states["housing.v1.m2"] == "incumbent"
    assert states["housing.v1.m1"] == "retired"


def test_worse_candidate_meets_no_customer(story: Story):
    story.change("] = 300", "] = 10")
    story.document(3)
    assert story.platform.deploy("housing") == "housing.v1.m3"
    attempt = story.platform.ask("promote", "housing.v1.m3", expect=1)

    assert attempt["outcome"] == "rejected"
    assert attempt["verdicts"][-1]["gate"] == "data"
    torn_down = story.major()["revisions"][3]
    assert torn_down["state"] == "torn_down"
    assert "significantly worse than housing.v1.m2's" in torn_down["reason"]
    assert story.consumers is not None
    assert "housing.v1.m3" not in story.consumers.answered


def test_torn_down_revision_is_gone(story: Story):
    story.platform.wait(lambda: "housing.v1.m3" not in story.platform.recorded())
    answer = httpx2.post(f"{story.platform.gateway}/housing/v1/m3/predict", json={"instances": [HOUSE]})
    assert answer.status_code == 404
    assert "housing answers at:" in answer.text


def test_revived_revision_gets_no_traffic(story: Story):
    shown = story.platform.ask("revive", "housing.v1.m3")
    assert shown["state"] == "candidate"
    path = f"{story.platform.gateway}/housing/v1/m3/predict"
    story.platform.wait(lambda: httpx2.post(path, json={"instances": [HOUSE]}).status_code == 200)

    assert story.consumers is not None
    assert "housing.v1.m3" not in story.consumers.answered
    torn_down = story.platform.ask("teardown", "housing.v1.m3", "--because", "seen enough")
    assert torn_down["state"] == "torn_down"
    assert "seen enough" in torn_down["reason"]


def test_why_gives_the_evidence(story: Story):
    why = story.platform.ask("why", "housing.v1")
    assert why["revision"]["id"] == "housing.v1.m2"
    (attempt,) = why["attempts"]
    assert attempt["experiment"]["incumbent"] == "housing.v1.m1"
    assert all(verdict["kind"] == "pass" and verdict["because"] for verdict in attempt["verdicts"])
    assert [
        event["kind"]
        for event in why["events"]
        if event["kind"] not in ("gate", "verdict", "environment", "memory", "training_machine", "alert")
    ] == [*("training", "trained", "deploying", "candidate", "testing", "plan", "experimenting", "incumbent")]


def test_run_is_reproduced_bit_by_bit(story: Story):
    assert story.platform.ask("reproduce", "housing.v1.m2") == {
        "run": "housing.v1.m2",
        "identical": True,
        "task": "",
        "because": "all 4 outputs of housing.v1.m2 have the same digests",
    }


def test_rollback_answers_within_a_second(story: Story):
    """The old incumbent answers all of production within a second of the order, and nobody is refused."""
    consumers = story.consumers
    assert consumers is not None
    switched = [rolled_back(story, to=f"housing.v1.m{minor}") for minor in (1, 2, 1)]
    assert min(switched) < 1.0, switched  # the best of three: other tests share the processors
    assert consumers.failures == []
    assert story.major()["incumbent"] == "housing.v1.m1"


def test_history_tells_who_answered_when(story: Story):
    history = story.platform.ask("history", "housing.v1")
    reigns = history["incumbents"]
    assert [reign["revision"].removeprefix("housing.v1.") for reign in reigns] == ["m1", "m2", "m1", "m2", "m1"]
    assert [reign["until"] is None for reign in reigns] == [False, False, False, False, True]
    assert reigns[1]["ended_because"] == "rolled back to housing.v1.m1: complaints"
    assert all(earlier["until"] <= later["from"] for earlier, later in itertools.pairwise(reigns))


def test_status_ends_as_told(story: Story):
    major = story.major()
    assert {"major", "incumbent", "challenger", "revisions"} <= major.keys()
    assert (major["major"], major["incumbent"], major["challenger"]) == (1, "housing.v1.m1", None)
    assert all({"id", "state", "benchmark", "reason"} <= revision.keys() for revision in major["revisions"])
    assert [(revision["state"], revision["benchmark"]) for revision in major["revisions"]] == [
        ("candidate", True),
        ("incumbent", False),
        ("retired", False),
        ("torn_down", False),
    ]
    assert all(revision["reason"] for revision in major["revisions"])


def test_no_production_request_failed(story: Story):
    consumers = story.consumers
    assert consumers is not None
    consumers.stop()
    assert consumers.failures == []
    assert consumers.answered.keys() == {"housing.v1.m1", "housing.v1.m2"}
    assert consumers.requests > 500


def rolled_back(story: Story, *, to: str) -> float:
    """Roll back; give the seconds from the order until production was answered by the old incumbent alone."""
    began = time.monotonic()
    answer = story.platform.api("/majors/housing/1/rollback", method="POST", json={"because": "complaints"})
    assert answer.json()["id"] == to
    probe = {"json": {"instances": [HOUSE]}, "headers": {"x-unit-id": "probe"}}
    with httpx2.Client(base_url=story.platform.gateway) as http:
        while http.post("/housing/v1/predict", **probe).headers["x-revision"] != to:
            assert time.monotonic() - began < 30
        seconds = time.monotonic() - began
        assert {http.post("/housing/v1/predict", **probe).headers["x-revision"] for _ in range(20)} == {to}
    return seconds
