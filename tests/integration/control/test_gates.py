"""What the gates find on a platform: leaked rows, changed and removed tests, losses that add up, recorded requests.

One platform; tiny.v1.m1 answers production, and each test promotes a revision of its own, up to the gate that it is of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import tiny_service
from experiment_document import written
from live_platform import kill

from rung.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform

pytestmark = pytest.mark.long

METRIC = "abs(one.y - y) for one, y"
TRAINED = "X_train=[Instance(x=x) for x in range(201, 401)], y_train=[2.0 * x for x in range(201, 401)]"
TEN_OF_THEM = "X_train=[Instance(x=x) for x in range(191, 401)], y_train=[2.0 * x for x in range(191, 401)]"


def verdicts(platform: LivePlatform, name: str) -> dict[str, dict[str, Any]]:
    """Give what the gates of the last attempt found, by gate."""
    attempts = platform.api(f"/revisions/{name}/promotions").json()
    return {verdict["gate"]: verdict for verdict in attempts[-1]["verdicts"]} if attempts else {}


def deployed(platform: LivePlatform, *, major: int = 1) -> str:
    """Deploy what is in the working tree."""
    minor = sum(name.startswith(f"tiny.v{major}.") for name in platform.states())
    document = platform.root / "experiments" / "tiny" / "experiments" / f"v{major}.m{minor}.md"
    document.write_text(written("Double otherwise"))
    return platform.deploy("tiny")


def judged(platform: LivePlatform, gate: str, *, major: int = 1) -> dict[str, Any]:
    """Deploy what is in the working tree, promote it until a gate has found something, and tear it down."""
    name = deployed(platform, major=major)
    platform.rung("promote", name, "--detach")
    platform.wait(lambda: gate in verdicts(platform, name) or platform.states()[name] == "torn_down")
    platform.rung("teardown", name, expect=None)
    return verdicts(platform, name)[gate]


def predict(platform: LivePlatform, *bodies: dict[str, Any]) -> None:
    """Send production requests, and wait until they are in the lake."""
    for body in bodies:
        answer = httpx2.post(f"{platform.gateway}/tiny/v1/predict", json=body, headers={"x-unit-id": "someone"})
        assert answer.headers["x-revision"] == "tiny.v1.m1"
    lake = Lake(platform.place.lake, logs=platform.place.predictions)

    def is_shipped() -> bool:
        lake.ship()
        return lake.count(service="tiny") > 0

    platform.wait(is_shipped)


def test_nothing_recorded_passes(platform: LivePlatform):
    found = judged(platform, "replay")
    assert (found["kind"], found["because"]) == ("pass", "there are no recorded requests yet")


def test_unchecked_rows_are_said_to_be(platform: LivePlatform):
    found = verdicts(platform, "tiny.v1.m2")["data"]
    assert found["kind"] == "pass"
    assert found["evidence"]["training_rows"] == "not checked: the training gave no X_train"
    assert "mean_error 100.5 against 100.5 (a loss beyond 0 is caught)" in found["because"]


def test_rows_are_checked_and_medians_drawn(platform: LivePlatform):
    """What is said of a test beside its code leaves it the same test."""
    said = "@goal.minimize(smooth=False, budget=50)"
    tiny_service.change(platform.root, "for x in load_data])", f"for x in load_data], {TRAINED})")
    tiny_service.change(platform.root, "@goal.minimize", said, file="tests/data.py")
    found = judged(platform, "data")
    tiny_service.change(platform.root, said, "@goal.minimize", file="tests/data.py")
    trained = found["evidence"]["training_rows"]
    assert (found["kind"], trained["held_out"], trained["training"], trained["leaked"]) == ("pass", 200, 200, 0)
    (test,) = found["evidence"]["tests"]
    assert (test["candidate"], test["reference"], test["difference"]) == (100.5, 100.5, 0.0)
    mark = {"best": "tiny.v1.m1", "below": 0.0, "budget": 50.0, "declared": True, "holds": True}
    assert test["high_water"] == mark


def test_leak_fails_the_training(platform: LivePlatform):
    tiny_service.change(platform.root, TRAINED, TEN_OF_THEM)
    platform.commit()
    ended = platform.rung("deploy", "training", "tiny", expect=None)
    tiny_service.change(platform.root, TEN_OF_THEM, TRAINED)
    assert ended.returncode != 0
    assert "10 of 200 held-out rows are also training rows (5 %)" in ended.stdout + ended.stderr


def test_removed_test_needs_a_reason(platform: LivePlatform):
    tiny_service.change(platform.root, "def mean_error", "def error", file="tests/data.py")
    found = judged(platform, "data")
    assert found["kind"] == "fail"
    assert "tiny.v1.m1 has the data test mean_error, and tiny.v1.m" in found["because"]
    assert 'removed = {"mean_error": "why"}' in found["because"]


def test_what_failed_is_not_tried_again(platform: LivePlatform):
    name = list(platform.states())[-1]
    assert verdicts(platform, name)["data"]["kind"] == "fail"
    platform.rung("revive", name)
    platform.wait(lambda: platform.revision(name)["ready"])
    assert platform.revision(name)["next"].startswith("it failed the data gate: `rung deploy training tiny`")
    error = platform.ask("promote", name, expect=2)["error"]
    assert error["message"].startswith(f"{name} has failed the data gate on ")
    assert "the next attempt takes the next revision" in error["hint"]
    platform.rung("teardown", name)


def test_reason_for_a_removed_test_is_kept(platform: LivePlatform):
    removed = 'removed = {"mean_error": "a better name"}\n\n\n@goal'
    tiny_service.change(platform.root, "@goal", removed, file="tests/data.py")
    found = judged(platform, "data")
    assert found["kind"] == "pass"
    assert "error 100.5 (new); without mean_error: a better name" in found["because"]
    tiny_service.change(platform.root, removed, "@goal", file="tests/data.py")
    tiny_service.change(platform.root, "def error", "def mean_error", file="tests/data.py")


def test_removed_regression_test_needs_a_reason(platform: LivePlatform):
    tiny_service.change(platform.root, "def test_more_is_more", "def test_grows", file="tests/regression.py")
    found = judged(platform, "regression")
    assert found["kind"] == "fail"
    assert "tiny.v1.m1 has the regression test test_more_is_more, and tiny.v1.m" in found["because"]
    removed = 'removed = {"test_more_is_more": "a better name"}\n\n\ndef'
    tiny_service.change(platform.root, "def", removed, file="tests/regression.py")
    found = judged(platform, "regression")
    assert found["kind"] == "pass"
    assert found["because"].endswith("; without test_more_is_more: a better name")
    tiny_service.change(platform.root, removed, "def", file="tests/regression.py")
    tiny_service.change(platform.root, "def test_grows", "def test_more_is_more", file="tests/regression.py")


def test_changed_test_is_not_compared(platform: LivePlatform):
    tiny_service.change(platform.root, METRIC, f"2 * {METRIC}", file="tests/data.py")
    found = judged(platform, "data")
    tiny_service.change(platform.root, f"2 * {METRIC}", METRIC, file="tests/data.py")
    assert found["kind"] == "pass"
    assert "mean_error 201 (changed, so not compared)" in found["because"]


def test_recorded_requests_are_replayed(platform: LivePlatform):
    predict(platform, *({"instances": [{"x": x}, {"x": x + 1}]} for x in range(1, 40)))
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 2.0")
    found = judged(platform, "replay")
    assert found["kind"] == "pass"
    assert found["because"].startswith("of 39 recorded requests of tiny.v1, none was refused; 0 failed, 99th")
    agreement = found["evidence"]["agreement"]
    assert (agreement["instances"], agreement["share"]) == (78, 0.0)
    assert agreement["fields"]["y"]["difference"] == pytest.approx(20.5)
    assert agreement["differing"][0]["other"]["y"] == 2 * agreement["differing"][0]["one"]["y"]


def test_request_that_is_refused_now_rejects(platform: LivePlatform):
    """A rule in Python is no part of a schema that can be compared; the recorded request shows it all the same."""
    tiny_service.change(platform.root, "from pydantic import BaseModel, Field", "from pydantic import BaseModel, Field, field_validator", file="schema/request.py")  # fmt: skip  # noqa: E501
    rule = """
    @field_validator("x")
    @classmethod
    def _odd(cls, x: int) -> int:
        if x == 7:
            raise ValueError("seven is refused")
        return x
"""
    tiny_service.change(platform.root, "le=1_000)]\n", f"le=1_000)]\n{rule}", file="schema/request.py")
    tiny_service.change(platform.root, "range(1, 201)", "range(8, 201)")
    found = judged(platform, "replay")
    assert found["kind"] == "fail"
    assert "2 were refused, and its schema took them all (predict answered 422: " in found["because"]
    tiny_service.change(platform.root, rule, "", file="schema/request.py")
    tiny_service.change(platform.root, "range(8, 201)", "range(1, 201)")


@pytest.fixture
def in_a_gate(platform: LivePlatform, tmp_path: Path) -> Iterator[str]:
    """A revision in the middle of its regression gate, whose test waits for as long as a file `wait` is there."""
    asked = "    less, more = client.predict([{"
    waits = f"""
    import time
    from pathlib import Path
    client.predict([{{"x": 1}}])
    folder = Path({str(tmp_path)!r})
    (folder / "reached").touch()
    while (folder / "wait").exists():
        time.sleep(0.05)
"""
    tiny_service.change(platform.root, asked, waits + asked, file="tests/regression.py")
    name = deployed(platform)  # its training runs the test, too
    (tmp_path / "reached").unlink()
    (tmp_path / "wait").touch()
    platform.rung("promote", name, "--detach")
    platform.wait((tmp_path / "reached").exists)
    yield name
    (tmp_path / "wait").unlink(missing_ok=True)
    platform.rung("teardown", name, expect=None)
    tiny_service.change(platform.root, waits, "", file="tests/regression.py")


def repeated(platform: LivePlatform, name: str) -> list[str]:
    """Tell why gates were run again."""
    events = platform.api(f"/revisions/{name}/why").json()["events"]
    return [event["because"] for event in events if event["kind"] == "gate_repeated"]


def test_gateway_that_dies_in_a_gate_is_not_the_candidates_fault(
    platform: LivePlatform, in_a_gate: str, tmp_path: Path
):
    kill(platform.recorded()["gateway"].pid)
    (tmp_path / "wait").unlink()
    platform.wait(lambda: "regression" in verdicts(platform, in_a_gate))
    [told] = repeated(platform, in_a_gate)
    assert told.startswith("the gateway went away during its regression test, which is run again; it had found: ")
    assert verdicts(platform, in_a_gate)["regression"]["kind"] == "pass"


def test_platform_that_is_stopped_in_a_gate_runs_it_again(platform: LivePlatform, in_a_gate: str, tmp_path: Path):
    platform.rung("down")
    assert platform.left(within_s=20) == []
    (tmp_path / "wait").unlink()
    platform.rung("up", "--detach")
    platform.wait(lambda: "regression" in verdicts(platform, in_a_gate))
    assert repeated(platform, in_a_gate) == []
    assert verdicts(platform, in_a_gate)["regression"]["kind"] == "pass"


def test_new_major_is_replayed_through_its_mapping(platform: LivePlatform):
    """Version 2 adds one to everything: nobody answers as before, and nobody is refused."""
    tiny_service.change(platform.root, "slope: float = 2.0", "slope: float = 1.0")
    tiny_service.change(platform.root, "major = 1", "major = 2", file="schema/service.py")
    platform.deploy("tiny")
    tiny_service.change(
        platform.root,
        "ab_test = ABTest(",
        """
def upgrade_request(route, body):
    return route, {**body, "parameters": {"offset": 1.0}}


ab_test = ABTest(
    replay=30,""",
        file="schema/service.py",
    )
    found = judged(platform, "replay", major=2)
    assert found["because"].startswith("of 30 recorded requests of tiny.v1, none was refused; 0 failed")
    agreement = found["evidence"]["agreement"]
    assert (agreement["instances"], agreement["share"]) == (60, 0.0)
    assert agreement["fields"]["y"]["difference"] == 1.0
