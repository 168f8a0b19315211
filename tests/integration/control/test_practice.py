"""The practice on a whole platform: from the guided path over signatures and holds to a promotion that may begin."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import tiny_service

if TYPE_CHECKING:
    from live_platform import LivePlatform

pytestmark = pytest.mark.long

_DATA_WITHIN_S = 15


class Person:
    """Somebody with a token, who works in no workspace."""

    def __init__(self, platform: LivePlatform, name: str, role: str) -> None:
        self.platform = platform
        self.token = platform.ask("token", "create", name, "--role", role, "--service", "tiny")["token"]

    def rung(self, *words: str, expect: int = 0) -> Any:
        """Type a command; give its JSON."""
        ended = subprocess.run(
            [sys.executable, "-m", "rung.cli", *words, "--json"],
            cwd=self.platform.folder,
            env=self.platform.environment | {"RUNG_CONTROL": self.platform.address.url, "RUNG_TOKEN": self.token},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == expect, ended.stdout + ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def people(platform: LivePlatform) -> dict[str, Person]:
    roles = {"ada": "approver", "bob": "engineer"}
    return {name: Person(platform, name, role) for name, role in roles.items()}


def path(platform: LivePlatform) -> dict[str, Any]:
    found: dict[str, Any] = platform.ask("status", "tiny")["path"]
    return found


def is_in(platform: LivePlatform, name: str, state: str) -> bool:
    return bool(platform.revision(name)["state"] == state)


def test_lone_owner_was_promoted_unsigned(platform: LivePlatform):
    (attempt,) = platform.ask("why", "tiny.v1.m1")["attempts"]
    papers = attempt["papers"]
    assert (papers["sign_off"], papers["signatures"]["complete"]) == ("noted", False)
    assert [one["number"] for one in papers["questions"]] == [1, 2, 3, 4, 5, 6, 7]
    assert {verdict["evidence"]["specification"] for verdict in attempt["verdicts"]} == {papers["specification"]}
    (version,) = platform.ask("spec", "history", "tiny")["versions"]
    assert version["digest"] == papers["specification"]
    assert version["revisions"] == ["tiny.v1.m0", "tiny.v1.m1"]
    assert platform.revision("tiny.v1.m1")["specification"] == version["digest"]
    assert "specification" in platform.rung("why", "tiny.v1.m1").stdout


def test_questions_are_answered_from_evidence(platform: LivePlatform):
    found = platform.ask("spec", "check", "tiny", expect=1)
    told = {one["number"]: one["standing"] for one in found}
    assert told == {1: "shown", 2: "shown", 3: "open", 4: "open", 5: "open", 6: "open", 7: "open"}
    assert "in the load test of tiny.v1.m1" in found[0]["because"]


def test_path_of_a_new_revision_begins_with_its_document(platform: LivePlatform):
    found = path(platform)
    assert (found["kind"], found["revision"], found["current"]) == ("new_revision", "tiny.v1.m2", "document")
    tiny_service.document(platform.root, 2)
    assert path(platform)["current"] == "code"
    assert path(platform) == platform.api("/services/tiny/path").json()
    assert "next: change the code" in platform.rung("status", "tiny").stdout
    assert "next: " in platform.rung("status").stdout


def test_metric_without_data_holds_its_major(platform: LivePlatform):
    tiny_service.change(
        platform.root, 'priority="high",', 'priority="high", available=False,', file="schema/service.py"
    )
    platform.deploy("tiny")
    platform.wait(lambda: is_in(platform, "tiny.v1.m2", "on_hold"))
    (asked,) = platform.ask("metrics", "requests")
    assert (asked["major"], asked["metric"], asked["to"]) == ("tiny.v1", "right", "product@example.org")
    refused = platform.ask("promote", "tiny.v1.m2", expect=2)["error"]
    assert "tiny.v1 is on hold: right is of high priority, and its truth cannot be had yet" in refused["message"]
    assert "rung metrics requests tiny" in refused["hint"]
    assert path(platform)["command"] == "rung metrics requests tiny"
    again = platform.ask("metrics", "request", "tiny.v1", "right", "--to", "ada", "--because", "x", expect=2)["error"]
    assert "product@example.org is asked for right of tiny.v1 already" in again["message"]


def test_promised_data_end_the_hold(platform: LivePlatform, people: dict[str, Person]):
    given = people["ada"].rung("metrics", "fulfil", "tiny.v1", "right", "--because", "the notary will report them")
    assert given["fulfilled"]["actor"] == "token:ada"
    platform.wait(lambda: is_in(platform, "tiny.v1.m2", "candidate"))
    assert platform.ask("metrics", "requests", "tiny") == []
    kinds = [event["kind"] for event in platform.ask("audit", "--service", "tiny")]
    assert [kind for kind in kinds if "hold" in kind or "data_request" in kind] == [
        *("hold", "data_request", "on_hold", "data_request_fulfilled", "hold_ended")
    ]


def test_team_signs_before_it_promotes(platform: LivePlatform, people: dict[str, Person]):
    refused = platform.ask("promote", "tiny.v1.m2", expect=2)["error"]
    assert "not signed for product; not signed for engineering" in refused["message"]
    assert "nobody has reviewed the business metrics" in refused["message"]
    assert "rung spec sign tiny --as product" in refused["hint"]

    ada, bob = people["ada"], people["bob"]
    assert bob.rung("spec", "sign", "tiny", "--as", "product", expect=2)["error"]["code"] == "not_allowed"
    ada.rung("spec", "sign", "tiny", "--as", "product", "--because", "we promise this")
    both = ada.rung("spec", "sign", "tiny", "--as", "engineering", expect=2)["error"]
    assert "nobody signs for both" in both["message"]
    assert bob.rung("spec", "sign", "tiny", "--as", "engineering")["complete"]
    own = platform.ask("metrics", "review", "tiny.v1", "--because", "mine", expect=2)["error"]
    assert "a second person reviews its metrics" in own["message"]
    assert bob.rung("metrics", "review", "tiny.v1", "--because", "it is what we sell")["review"]["complete"]

    platform.rung("promote", "tiny.v1.m2", "--detach", "--ignore-plan")
    (attempt,) = platform.ask("why", "tiny.v1.m2")["attempts"]
    assert attempt["papers"]["sign_off"] == "required"
    assert attempt["papers"]["signatures"]["complete"]
    platform.rung("teardown", "tiny.v1.m2", "--because", "the test has seen enough")


def test_silence_of_production_holds_and_outcomes_go_on(platform: LivePlatform):
    within = f"timedelta(seconds={_DATA_WITHIN_S})"
    tiny_service.change(platform.root, "available=False", f"data_within={within}", file="schema/service.py")
    tiny_service.change(platform.root, "latency_p99_ms = 5000", "latency_p99_ms = 4000", file="specification.md")
    tiny_service.document(platform.root, 3)
    ask(platform)
    platform.deploy("tiny")
    ask(platform)
    platform.wait(lambda: is_in(platform, "tiny.v1.m3", "on_hold"))
    (asked,) = platform.ask("metrics", "requests", "tiny")
    assert "no outcome of it came in for 15 s of production" in asked["because"]

    outcome = {"service": "tiny", "metric": "right", "value": 1, "unit": "customer-1"}
    httpx2.post(f"{platform.gateway}/outcomes", json=outcome).raise_for_status()
    platform.wait(lambda: is_in(platform, "tiny.v1.m3", "candidate"))
    assert platform.ask("metrics", "requests", "tiny") == []
    fulfilled = platform.ask("metrics", "requests", "tiny", "--all")
    assert [one["fulfilled"]["actor"] for one in fulfilled] == ["token:ada", "rung"]


def test_changed_specification_makes_signatures_stale(platform: LivePlatform, people: dict[str, Person]):
    refused = platform.ask("promote", "tiny.v1.m3", expect=2)["error"]
    assert "the signature for product by token:ada is stale, since these changed: latency_p99_ms" in refused["message"]
    assert "the business metrics have changed since token:bob reviewed them" in refused["message"]
    shown = platform.ask("spec", "diff", "tiny")
    assert shown["changed"] == ["latency_p99_ms"]
    assert "-latency_p99_ms = 5000\n+latency_p99_ms = 4000" in platform.rung("spec", "diff", "tiny").stdout
    for name, owner in (("ada", "product"), ("bob", "engineering")):
        people[name].rung("spec", "sign", "tiny", "--as", owner)
    history = platform.ask("spec", "history", "tiny")
    assert [one["revisions"] for one in history["versions"]] == [
        ["tiny.v1.m0", "tiny.v1.m1", "tiny.v1.m2"],
        ["tiny.v1.m3"],
    ]
    assert platform.ask("spec", "show", "tiny")["signatures"]["complete"]


def ask(platform: LivePlatform) -> None:
    """Ask production, as a consumer would."""
    answer = httpx2.post(
        f"{platform.gateway}/tiny/v1/predict",
        json={"instances": [{"x": 1}]},
        headers={"x-unit-id": "customer-1"},
        timeout=10,
    )
    answer.raise_for_status()
