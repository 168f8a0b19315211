"""What a control plane refuses, and what stays of a deployment that failed. One platform; m1 answers production."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import httpx2
import pytest
import tiny_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform


@contextlib.contextmanager
def changed(platform: LivePlatform, before: str, after: str, *, file: str) -> Iterator[None]:
    """Change a file of the service for a while, in the working tree."""
    path: Path = platform.root / "experiments" / "tiny" / file
    text = path.read_text()
    tiny_service.change(platform.root, before, after, file=file)
    try:
        yield
    finally:
        path.write_text(text)
        platform.commit("back")


@pytest.mark.parametrize(
    "words",
    [
        ("why", "tiny.v1.m77"),
        ("logs", "tiny.v1.m77"),
        ("deploy", "serving", "tiny.v1.m77"),
        ("promote", "tiny.v1.m77"),
        ("teardown", "tiny.v1.m77"),
        ("revive", "tiny.v1.m77"),
    ],
    ids=" ".join,
)
def test_revision_that_does_not_exist(platform: LivePlatform, words: tuple[str, ...]):
    ended = platform.rung(*words, expect=2)
    assert "there is no revision tiny.v1.m77" in ended.stderr
    assert "`rung status tiny` names them" in ended.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("promote", "tiny"), "'tiny' is not the name of a revision: write it as housing.v1.m2"),
        (("teardown", "tiny.v1"), "'tiny.v1' is not the name of a revision"),
        (("rollback", "tiny"), "'tiny' names no major: write tiny.v1"),
        (("rollback", "tiny.v9"), "tiny.v9 has no incumbent"),
        (("rollback", "tiny.v1"), "tiny.v1 has no earlier incumbent that is kept warm"),
        (("history", "castle"), "nothing has happened to castle: `rung status` names the services"),
        (("why", "castle.v1"), "castle.v1 has no incumbent"),
        (("deploy", "training", "castle"), "there is no service 'castle'"),
        (("deploy", "training", "two words"), "service"),
        (("promote", "tiny.v1.m1"), "tiny.v1.m1 is incumbent and cannot become testing"),
        (("promote", "tiny.v1.m0"), "tiny.v1.m0 is the benchmark of tiny.v1 and is never promoted"),
        (("teardown", "tiny.v1.m1"), "tiny.v1.m1 is incumbent and cannot become torn_down"),
        (("revive", "tiny.v1.m1"), "tiny.v1.m1 is incumbent and cannot become candidate"),
        (("deploy", "serving", "tiny.v1.m1"), "tiny.v1.m1 is incumbent and cannot become deploying"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_impossible_order_changes_nothing(platform: LivePlatform, words: tuple[str, ...], told: str):
    before = platform.states()
    error = platform.ask(*words, expect=2)["error"]
    assert told in f"{error['message']}: {error['hint']}"
    assert error["code"]
    assert platform.states() == before


def test_calls_need_the_token(platform: LivePlatform):
    address = platform.address
    assert httpx2.get(f"{address.url}/healthz").status_code == 200
    assert httpx2.get(f"{address.url}/status").status_code == 401
    wrong = httpx2.get(f"{address.url}/status", headers={"authorization": "Bearer guessed"})
    assert wrong.status_code == 401
    assert wrong.headers["content-type"] == "application/problem+json"
    assert platform.place.address_file.stat().st_mode & 0o077 == 0


def test_dirty_tree_is_refused(platform: LivePlatform):
    before = platform.states()
    with changed(platform, "slope: float = 1.0", "slope: float = 1.3", file="train/main.py"):
        error = platform.ask("deploy", "training", "tiny", expect=2)["error"]
    assert "the working tree differs from its commit" in error["message"]
    assert "--allow-dirty" in error["hint"]
    assert platform.states() == before


def test_dirty_revision_says_so_for_ever(platform: LivePlatform):
    with changed(platform, "slope: float = 1.0", "slope: float = 1.3", file="train/main.py"):
        name = platform.ask("deploy", "training", "tiny", "--allow-dirty")["id"]
    assert platform.revision(name)["dirty"] is True
    why = platform.ask("why", name)
    assert why["revision"]["dirty"] is True
    assert why["events"][0]["because"] == "training was deployed from a tree that differs from its commit"
    assert "from a tree that differed from it" in platform.rung("why", name).stdout
    commit = platform.revision(name)["commit"]
    assert f"{commit[:8]}+" in platform.rung("status", "tiny").stdout
    assert platform.ask("runs", "show", name)["hyperparameters"]["slope"] == 1.3


def test_crashed_training_is_kept(platform: LivePlatform):
    crash = 'import os; print("about to crash", flush=True); os._exit(7)'
    with changed(platform, 'return {"slope"', f'{crash}\n    return {{"slope"', file="train/main.py"):
        platform.commit("crash")
        shown = platform.ask("deploy", "training", "tiny", expect=4)
    name = shown["id"]
    assert shown["state"] == "failed"
    assert "its training ended with exit code 7" in shown["reason"]
    assert "about to crash" in platform.rung("logs", name).stdout
    assert platform.ask("runs", "show", name)["exit_code"] == 7

    error = platform.ask("deploy", "serving", name, expect=2)["error"]
    assert f"{name} is failed and cannot become deploying" in error["message"]
    assert error["hint"] == "mend the cause and deploy the next revision"


def test_training_that_raises_is_kept(platform: LivePlatform):
    with changed(
        platform, 'return {"slope"', 'raise RuntimeError("no data today")\n    return {"s"', file="train/main.py"
    ):
        platform.commit("raise")
        told = platform.rung("deploy", "training", "tiny", expect=4)
    assert "no data today" in told.stderr
    assert "RuntimeError: no data today" in platform.rung("logs", newest(platform)).stdout
    assert platform.revision(newest(platform))["state"] == "failed"


def test_breaking_schema_within_a_major(platform: LivePlatform):
    with changed(platform, "y: float", "z: float", file="schema/response.py"):
        with changed(platform, "Prediction(y=", "Prediction(z=", file="serve/app.py"):
            platform.commit("break")
            for file in ("tests/regression.py", "tests/data.py"):
                path = platform.root / "experiments" / "tiny" / file
                path.write_text(path.read_text().replace(".y", ".z"))
            platform.commit("break")
            findings = {one["check"]: one for one in platform.ask("check", "tiny", expect=1)}
            told = platform.rung("deploy", "training", "tiny", expect=4).stderr
        for file in ("tests/regression.py", "tests/data.py"):
            path = platform.root / "experiments" / "tiny" / file
            path.write_text(path.read_text().replace(".z", ".y"))
    assert "y" in findings["schema"]["because"]
    assert "Open v2: major = 2" in findings["schema"]["because"]
    assert "its schema breaks tiny.v1" in told
    assert "open v2 (major = ...)" in told
    assert platform.revision(newest(platform))["state"] == "failed"


def test_batching_of_an_unknown_route_is_told(platform: LivePlatform):
    with changed(
        platform, "Batching(max_instances=8)", '{"guess": Batching(max_instances=8)}', file="infrastructure/hardware.py"
    ):
        findings = {one["check"]: one for one in platform.ask("check", "tiny", expect=1)}
    assert "batching names no route: guess; the routes are predict" in findings["hardware"]["because"]


def test_promotion_without_document_is_refused(platform: LivePlatform):
    name = platform.deploy("tiny")
    error = platform.ask("promote", name, expect=2)["error"]
    minor = name.rpartition(".")[2]
    assert f"{name} has no experiments/v1.{minor}.md" in error["message"]
    assert "write it, commit, and deploy the next revision" in error["hint"]
    assert platform.revision(name)["state"] == "candidate"


def test_promotion_with_an_unwritten_document_is_refused(platform: LivePlatform):
    minor = len(platform.states())
    platform.rung("doc", "new", "tiny")
    name = platform.deploy("tiny")
    error = platform.ask("promote", name, expect=2)["error"]
    told = "intention, hypothesis, approach, what would change our mind"
    assert error["message"].endswith(f"v1.m{minor}.md of {name} says nothing of: {told}")


def test_promotion_by_another_measure_is_refused(platform: LivePlatform):
    tiny_service.document(platform.root, len(platform.states()))
    with changed(platform, "ab_test = ABTest(", "ab_test = ABTest(alpha=0.2, ", file="schema/service.py"):
        name = platform.deploy("tiny")
    error = platform.ask("promote", name, expect=2)["error"]
    assert error["message"] == f"{name} is not measured as tiny.v1.m1 is: alpha is 0.2, and was 0.05"
    assert "business metrics belong to the major" in error["hint"]


def test_promotion_without_metrics_is_refused(platform: LivePlatform):
    tiny_service.document(platform.root, len(platform.states()))
    with changed(platform, "metrics=[", "metrics=[] and [", file="schema/service.py"):
        name = platform.deploy("tiny")
    error = platform.ask("promote", name, expect=2)["error"]
    assert f"{name} has no business metric that could decide an A/B test" in error["message"]
    assert "no metrics, no promotion" in error["hint"]


def test_promotion_of_what_is_not_served(platform: LivePlatform):
    name = platform.ask("deploy", "training", "tiny")["id"]
    error = platform.ask("promote", name, expect=2)["error"]
    assert f"{name} is trained and cannot become testing" in error["message"]
    assert error["hint"] == "`rung deploy serving` it first"


def test_nan_in_production_is_a_problem(platform: LivePlatform):
    body = {"instances": [{"x": 1}, {"x": tiny_service.BROKEN_X}]}
    answer = httpx2.post(f"{platform.gateway}/tiny/v1/predict", json=body, headers={"x-unit-id": "someone"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "not finite" in answer.json()["detail"]
    identity = answer.headers["x-request-id"]

    platform.wait(lambda: platform.api(f"/predictions/{identity}").status_code == 200)
    logged = platform.api(f"/predictions/{identity}").json()
    assert (logged["status"], logged["revision"]) == (500, "tiny.v1.m1")
    assert json.loads(logged["instances"])[1] == {"x": tiny_service.BROKEN_X}
    assert "not finite" in logged["error"]
    assert logged["predictions"] is None


def test_unknown_prediction_is_not_found(platform: LivePlatform):
    answer = platform.api("/predictions/never-given")
    assert answer.status_code == 404
    assert "there is no prediction 'never-given'" in answer.json()["detail"]


def test_bad_request_points_to_the_instance(platform: LivePlatform):
    post = f"{platform.gateway}/tiny/v1/predict"
    refused = httpx2.post(post, json={"instances": [{"x": 1}, {"x": "many"}]})
    too_many = httpx2.post(post, json={"instances": [{"x": 1}] * 9})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/instances/1/x"
    assert 400 <= too_many.status_code < 500
    assert httpx2.post(post, content=b"{").status_code == 400
    assert httpx2.post(f"{platform.gateway}/tiny/v1/nothing", json={}).status_code == 404


def newest(platform: LivePlatform) -> str:
    """Name the last revision."""
    return list(platform.states())[-1]
