"""The life of a service on text with two routes, from an empty folder to a rollback, on real sentences.

One platform; the tests are its chapters, in order. What the housing story tells is not told again: here are routes,
parameters, whole distributions, a guardrail, and a revision that is good on one route only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import polars as pl
import pytest
from experiment_document import written
from hurry import hurrying
from live_platform import LivePlatform, live_platform
from writers import Writers, unseen_sentences

from rung import artifacts
from rung.client import Client
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long

REVIEWS = Path("experiments/reviews")
RATE = 20.0  # production requests per second
RATE_HURRIED = 100.0  # while something waits for them
ROUTES = ("large", "small")
HAPPY = {"text": "A wonderful, touching and very funny film, one of the best of the year."}
UNHAPPY = {"text": "A dull, predictable and boring mess, with bad jokes and no story."}


@dataclass(slots=True, kw_only=True)
class Story:
    """What has happened so far."""

    platform: LivePlatform
    writers: Writers | None = None

    def change(self, before: str, after: str, *, file: str = "train/main.py") -> None:
        path = self.platform.root / REVIEWS / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def document(self, minor: int) -> None:
        path = self.platform.root / REVIEWS / "experiments" / f"v1.m{minor}.md"
        path.write_text(written(f"Attempt {minor}", "Read sentences better."))

    def read(self, route: str, *instances: dict[str, str], revision: str = "", **parameters: float) -> httpx2.Response:
        """Have sentences read in production, or by one revision (`m1`)."""
        path = "/".join(part for part in (self.platform.gateway, "reviews/v1", revision, route) if part)
        return httpx2.post(path, json={"instances": instances, "parameters": parameters}, headers={"x-unit-id": "me"})

    def ingest(self, source: str) -> str:
        """Take in the rated sentences of a source, as somebody delivers them; name the version."""
        delivery = self.platform.root / "data" / f"{source}.parquet"
        rated = pl.read_parquet(self.platform.root / "data" / "sentences.parquet")
        rated.filter(pl.col("source") == source).write_parquet(delivery)
        done = self.platform.ask("data", "ingest", f"data/{delivery.name}", "--name", "rated", "--key", "text")
        return f"rated@{done['version']['number']}"

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Give the open alerts about what is asked and answered, by subject."""
        open_ones = self.platform.ask("alerts", "reviews")
        return {one["subject"]: one for one in open_ones if one["kind"] in {"drift", "estimate", "quality"}}

    def major(self) -> dict[str, Any]:
        (service,) = self.platform.ask("status")["services"]
        assert service["name"] == "reviews"
        (major,) = service["majors"]
        return major


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with live_platform() as platform:
        platform.rung("new", "reviews", "--template", "sentiment")
        story = Story(platform=platform)
        # the same load test, shorter: seconds are dear here, and the machine may be busy
        story.change("duration=2,", "duration=1,", file="tests/acceptance.py")
        story.change("duration=4,", "duration=1,", file="tests/acceptance.py")
        story.change("requests=requests,", "requests=requests,\n    steady_s=3,", file="tests/acceptance.py")
        story.change("latency_p99_ms = 250 ", "latency_p99_ms = 5000 ", file="specification.md")
        # rated sentences come in deliveries, film reviews first
        story.change('pl.read_parquet(data_file("data/sentences.parquet"), columns=', 'Dataset("rated").polars(')
        story.change('pl.col("source") == SOURCES[hyperparameters.source], ', "")
        story.change("TestResults, data_file, evaluate", "TestResults, evaluate")
        story.change("from rung.training", "from rung.data import Dataset\nfrom rung.training")
        settings = platform.root / "rung.toml"
        settings.write_text(f"{settings.read_text()}\n[alerts]\nlook_every_s = 10\n")
        story.ingest("movieReviewSnippets")
        platform.commit("Begin reviews")
        platform.rung("up", "--detach")
        try:
            yield story
        finally:
            if story.writers is not None:
                story.writers.stop()


def test_fresh_service_keeps_its_contract(story: Story):
    findings = {finding["check"]: finding for finding in story.platform.ask("check", "reviews")}
    assert all(finding["passed"] for finding in findings.values())
    assert findings["serving"]["because"] == "the app answers large, small"
    assert findings["artifacts"]["because"] == "training makes what serving takes: build_large, build_small"


def test_benchmark_answers_alike_and_is_refused(story: Story):
    assert story.platform.deploy("reviews") == "reviews.v1.m0"

    answers = [story.read(route, HAPPY, UNHAPPY, revision="m0").json()["predictions"] for route in ROUTES]
    refused = story.platform.ask("promote", "reviews.v1.m0", expect=2)

    assert answers[0] == answers[1]
    assert answers[0][0] == answers[0][1]
    assert "is the benchmark of reviews.v1 and is never promoted" in refused["error"]["message"]


def test_first_real_revision_takes_all(story: Story):
    story.change('] = "benchmark"', '] = "words"')
    assert story.platform.deploy("reviews") == "reviews.v1.m1"
    attempt = story.platform.ask("promote", "reviews.v1.m1")

    assert attempt["outcome"] == "promoted"
    assert [verdict["gate"] for verdict in attempt["verdicts"]] == ["regression", "data", "replay", "load"]
    compared = {test["name"]: test for test in attempt["verdicts"][1]["evidence"]["tests"]}
    assert compared["accuracy_small"]["candidate"] > compared["accuracy_small"]["reference"]
    assert compared["log_loss_large"]["candidate"] < compared["log_loss_large"]["reference"]
    assert story.major()["incumbent"] == "reviews.v1.m1"
    sentences = unseen_sentences(story.platform.root, read_by_training(story.platform, "reviews.v1.m1"))
    assert len(sentences) > 1_000
    story.writers = Writers(gateway=story.platform.gateway, sentences=sentences, requests_per_second=RATE).start()


@pytest.mark.parametrize("route", ROUTES)
def test_each_route_answers_distributions(story: Story, route: str):
    answer = story.read(route, HAPPY, UNHAPPY)
    happy, unhappy = answer.json()["predictions"]
    assert answer.headers["x-revision"] == "reviews.v1.m1"
    assert happy.keys() == {"negative", "neutral", "positive"}
    assert sum(happy.values()) == pytest.approx(1)
    assert max(happy, key=happy.get) == "positive"
    assert max(unhappy, key=unhappy.get) == "negative"
    assert 0 < unhappy["positive"] < happy["positive"] < 1


def test_parameters_shape_the_answer(story: Story):
    sharp, plain, soft = (
        story.read("large", HAPPY, temperature=temperature).json()["predictions"][0]["positive"]
        for temperature in (0.5, 1, 5)
    )
    assert sharp > plain > soft > 1 / 3
    refused = story.read("large", HAPPY, temperature=0)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/parameters/temperature"


def test_what_cannot_be_read_is_refused(story: Story):
    blank = story.read("small", HAPPY, {"text": "  "})
    many = story.read("large", *[HAPPY] * 65)
    assert (blank.status_code, many.status_code) == (422, 422)
    assert blank.json()["errors"][0]["pointer"] == "/instances/1/text"
    assert story.read("predict", HAPPY).status_code == 404


def test_prediction_is_traced_to_its_route(story: Story):
    identity = story.read("small", HAPPY).headers["x-request-id"]
    story.platform.wait(lambda: story.platform.api(f"/predictions/{identity}").status_code == 200)
    traced = story.platform.api(f"/predictions/{identity}").json()
    assert (traced["revision"], traced["route"], traced["unit"]) == ("reviews.v1.m1", "small", "me")


def test_client_names_a_route(story: Story):
    with Client(story.platform.gateway) as client:
        answer = client.predict("reviews", 1, [UNHAPPY], unit="someone", route="small", parameters={"temperature": 2})
        client.report("reviews", "agreed", 1.0, prediction_id=answer.prediction_id)
        with pytest.raises(CallError, match="text"):
            client.predict("reviews", 1, [{"text": ""}], unit="someone", route="small")
    (distribution,) = answer.predictions
    assert max(distribution, key=distribution.get) == "negative"


def test_better_challenger_wins_with_its_guardrail(story: Story):
    story.change('] = "words"', '] = "letters"')
    story.change("] = 300", "] = 2_000")
    story.document(2)
    assert story.platform.deploy("reviews") == "reviews.v1.m2"
    assert story.writers is not None
    with hurrying(story.platform, "reviews.v1.m2", story.writers, requests_per_second=RATE_HURRIED):
        attempt = story.platform.ask("promote", "reviews.v1.m2")

    assert attempt["outcome"] == "promoted"
    assert [verdict["gate"] for verdict in attempt["verdicts"]] == [
        "regression",
        "data",
        "replay",
        "load",
        "experiment",
    ]
    figures = attempt["verdicts"][4]["evidence"]
    assert figures["metric"] == "agreed"
    assert figures["look"]["effect"] > 0
    assert figures["guardrails"]["opposite"]["decision"] == "holds"
    assert story.major()["incumbent"] == "reviews.v1.m2"


def test_loss_on_one_route_is_refused(story: Story):
    """The small model forgets most of its words; the large one is as good as before."""
    story.change("] = 2_000", "] = 100")
    story.document(3)
    assert story.platform.deploy("reviews") == "reviews.v1.m3"
    attempt = story.platform.ask("promote", "reviews.v1.m3", expect=1)

    assert attempt["outcome"] == "rejected"
    assert attempt["verdicts"][-1]["gate"] == "data"
    torn_down = story.major()["revisions"][3]
    assert torn_down["state"] == "torn_down"
    assert "accuracy_small" in torn_down["reason"]
    assert "log_loss_small" in torn_down["reason"]
    assert "_large" not in torn_down["reason"]
    assert story.writers is not None
    assert "reviews.v1.m3" not in story.writers.revisions


def test_why_gives_the_evidence(story: Story):
    why = story.platform.ask("why", "reviews.v1")
    assert why["revision"]["id"] == "reviews.v1.m2"
    (attempt,) = why["attempts"]
    assert attempt["experiment"]["incumbent"] == "reviews.v1.m1"
    assert all(verdict["kind"] == "pass" and verdict["because"] for verdict in attempt["verdicts"])


def test_film_reviews_raise_no_alarm(story: Story):
    assert story.alerts() == {}


def test_tweets_are_noticed(story: Story):
    writers = story.writers
    assert writers is not None
    known = read_by_training(story.platform, "reviews.v1.m2")
    writers.sentences = unseen_sentences(story.platform.root, known, source="tweets")
    writers.requests_per_second = RATE_HURRIED

    story.platform.wait(lambda: "instance.text.unknown_words" in story.alerts(), within_s=90)

    writers.requests_per_second = RATE

    alert = story.alerts()["instance.text.unknown_words"]
    assert any("rated@1" in one for one in alert["suspects"]), alert["suspects"]


def test_what_is_sure_of_tweets_is_not_believed(story: Story):
    """How sure the model is was held against the truth for film reviews alone."""

    def is_believed() -> bool:
        reports = {one["route"]: one for one in story.platform.ask("monitor", "reviews.v1.m2")}
        return bool(reports["large"]["estimated"]["holds"])

    story.platform.wait(lambda: not is_believed())


def test_it_learns_to_read_tweets(story: Story):
    assert story.ingest("tweets") == "rated@2"
    settings = story.platform.root / "rung.toml"
    policy = 'promotion = "auto"\n[services.reviews.retraining]\ndrift = true\ncool_down_s = 0\n'
    settings.write_text(f"{settings.read_text()}\n[services.reviews]\n{policy}")

    assert story.writers is not None
    with hurrying(story.platform, "reviews.v1.m4", story.writers, requests_per_second=RATE_HURRIED):
        story.platform.wait(lambda: story.platform.states().get("reviews.v1.m4") == "incumbent", within_s=240)

    again = story.platform.revision("reviews.v1.m4")
    assert (again["origin"]["of"], again["origin"]["trigger"]) == ("reviews.v1.m2", "alert")
    attempt = story.platform.ask("why", "reviews.v1")["attempts"][-1]
    figures = attempt["verdicts"][-1]["evidence"]
    assert figures["metric"] == "agreed"
    assert figures["look"]["effect"] > 0.03


def test_rollback_takes_both_routes_back(story: Story):
    story.platform.rung("rollback", "reviews.v1", "--because", "writers complain")
    answered = {route: lambda route=route: story.read(route, HAPPY).headers["x-revision"] for route in ROUTES}
    for revision in answered.values():
        story.platform.wait(lambda revision=revision: revision() == "reviews.v1.m2")
    assert [(revision["id"], revision["state"]) for revision in story.major()["revisions"]] == [
        ("reviews.v1.m0", "candidate"),
        ("reviews.v1.m1", "retired"),
        ("reviews.v1.m2", "incumbent"),
        ("reviews.v1.m3", "torn_down"),
        ("reviews.v1.m4", "retired"),
    ]


def test_no_production_request_failed(story: Story):
    writers = story.writers
    assert writers is not None
    writers.stop()
    assert writers.failures == []
    assert writers.answered.keys() == {(route, f"reviews.v1.m{minor}") for route in ROUTES for minor in (1, 2, 4)}


def read_by_training(platform: LivePlatform, revision: str) -> pl.DataFrame:
    """Give the sentences that the training of a revision read."""
    run = platform.ask("runs", "show", platform.revision(revision)["run"])
    (digest,) = (task["digest"] for task in run["tasks"] if task["name"] == "load_data")
    return artifacts.decode(artifacts.LocalStore(platform.place.workspace.artifacts).get(digest), digest=digest)
