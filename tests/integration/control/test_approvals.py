"""A promotion that waits for people, from the commit that may be deployed to the verdict; one platform."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tiny_service
from live_platform import LivePlatform, kill, live_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLICY = """
[services.tiny]
promotion = "approve"
approvals = 2
merged_only = "main"
sign_off = "noted"
"""


class Person:
    """Somebody elsewhere, with a token."""

    def __init__(self, platform: LivePlatform, name: str, role: str) -> None:
        self.platform = platform
        self.token = platform.ask("token", "create", name, "--role", role, "--service", "tiny")["token"]

    def rung(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Type a command, in a folder that is no workspace."""
        known = {"RUNG_CONTROL": self.platform.address.url, "RUNG_TOKEN": self.token}
        ended = subprocess.run(
            [sys.executable, "-m", "rung.cli", *words],
            cwd=self.platform.folder,
            env=self.platform.environment | known,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == expect, ended.stdout + ended.stderr
        return ended

    def refused(self, *words: str) -> str:
        """Type a command that is refused; give why."""
        error: dict[str, str] = json.loads(self.rung(*words, "--json", expect=2).stdout)["error"]
        return f"{error['code']}: {error['message']}: {error['hint']}"


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform with the benchmark, and m1 as its first candidate."""
    with live_platform() as platform:
        settings = platform.root / "rung.toml"
        settings.write_text(settings.read_text() + _POLICY)
        tiny_service.write(platform.root)
        platform.rung("up", "--detach")
        git(platform, "checkout", "--quiet", "-b", "main")
        platform.deploy("tiny")
        tiny_service.change(platform.root, "slope: float = 0.0", "slope: float = 1.0")
        tiny_service.document(platform.root, 1)
        platform.deploy("tiny")
        yield platform


@pytest.fixture(scope="module")
def people(platform: LivePlatform) -> dict[str, Person]:
    roles = {"bob": "approver", "eve": "admin", "carl": "engineer"}
    return {name: Person(platform, name, role) for name, role in roles.items()}


def git(platform: LivePlatform, *words: str) -> None:
    subprocess.run(["git", *words], cwd=platform.root, check=True, capture_output=True)


def waits(platform: LivePlatform, name: str) -> dict[str, Any]:
    platform.wait(lambda: platform.revision(name)["state"] == "awaiting_approval")
    return platform.revision(name)["approval"]


def test_only_merged_code_is_deployed(platform: LivePlatform):
    before = platform.states()
    git(platform, "checkout", "--quiet", "-b", "idea")
    platform.commit("an idea")
    error = platform.ask("deploy", "training", "tiny", expect=2)["error"]
    assert "is not part of main" in error["message"]
    assert "merge it into main first" in error["hint"]
    git(platform, "checkout", "--quiet", "main")
    (platform.root / "data" / "new.txt").write_text("not committed")
    dirty = platform.ask("deploy", "training", "tiny", "--allow-dirty", expect=2)["error"]
    assert "only merged code is deployed" in dirty["message"]
    (platform.root / "data" / "new.txt").unlink()
    assert platform.states() == before


def test_promotion_waits_for_two_others(platform: LivePlatform, people: dict[str, Person]):
    platform.rung("promote", "tiny.v1.m1", "--detach")
    approval = waits(platform, "tiny.v1.m1")
    assert (approval["needed"], approval["roles"], approval["given"]) == (2, ["approver", "admin"], [])
    assert "0 of 2 approved" in platform.rung("status", "tiny").stdout
    own = platform.ask("approve", "tiny.v1.m1", "--because", "I like it", expect=2)["error"]
    assert own["code"] == "not_allowed"
    assert "may not approve tiny.v1.m1" in own["message"]
    assert "to approve needs approver of tiny" in people["carl"].refused("approve", "tiny.v1.m1", "--because", "me too")
    assert "1 of 2 approved (token:bob)" in people["bob"].rung("approve", "tiny.v1.m1", "--because", "it fits").stdout
    assert "token:bob has approved tiny.v1.m1 before" in people["bob"].refused(
        "approve", "tiny.v1.m1", "--because", "it really does"
    )
    assert platform.revision("tiny.v1.m1")["state"] == "awaiting_approval"


def test_waiting_survives_a_kill(platform: LivePlatform, people: dict[str, Person]):
    kill(platform.address.pid)
    platform.rung("up", "--detach")
    assert waits(platform, "tiny.v1.m1")["given"] == [{"actor": "token:bob", "role": "approver", "because": "it fits"}]
    people["eve"].rung("approve", "tiny.v1.m1", "--because", "the figures are good")
    platform.wait(lambda: platform.revision("tiny.v1.m1")["state"] == "incumbent")


def test_approvals_are_evidence(platform: LivePlatform):
    attempt = platform.ask("why", "tiny.v1.m1")["attempts"][0]
    verdict = next(one for one in attempt["verdicts"] if one["gate"] == "approval")
    assert verdict["because"] == ("approved by token:bob (approver): it fits; token:eve (admin): the figures are good")
    assert attempt["policy"]["approvals"] == 2
    told = platform.rung("audit", "--service", "tiny", "--actor", "token:bob").stdout
    assert "it fits" in told
    assert "figures" not in told


def test_rejection_tears_it_down(platform: LivePlatform, people: dict[str, Person]):
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 1.1")
    tiny_service.document(platform.root, 2)
    name = platform.deploy("tiny")
    people["bob"].rung("promote", name, "--detach")
    waits(platform, name)
    assert "token:bob asked for its promotion" in people["bob"].refused("approve", name, "--because", "mine")
    people["eve"].rung("reject", name, "--because", "the data are too old")
    platform.wait(lambda: platform.revision(name)["state"] == "torn_down")
    assert platform.revision(name)["reason"] == "approval gate: rejected by token:eve: the data are too old"
    assert platform.states()["tiny.v1.m1"] == "incumbent"
    assert "does not wait for approval" in people["eve"].refused("approve", name, "--because", "on second thoughts")


def test_new_candidate_is_promoted_by_itself(platform: LivePlatform):
    settings = platform.root / "rung.toml"
    settings.write_text(settings.read_text().replace('"approve"', '"auto"'))
    platform.rung("revive", "tiny.v1.m2")
    tiny_service.document(platform.root, 3)
    name = platform.deploy("tiny")
    platform.wait(lambda: platform.revision(name)["state"] in {"testing", "experimenting"})
    attempts = platform.ask("why", name)["attempts"]
    assert [attempt["actor"] for attempt in attempts] == ["rung"]
    platform.rung("teardown", name, "--because", "seen enough")
    platform.rung("revive", name)
    assert platform.api("/events", params={"service": "tiny"}).status_code == 200
    assert len(platform.ask("why", name)["attempts"]) == 1
    assert platform.ask("why", "tiny.v1.m2")["attempts"][-1]["actor"] == "token:bob"
    assert platform.states()[name] == "candidate"
