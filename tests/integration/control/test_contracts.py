"""Contracts of consumers on a platform: registered, held by promotions, and what becomes known of it.

One platform; tiny.v1.m1 answers production, and tiny.v1.m2 refuses a number that a consumer has asked for.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import tiny_service

if TYPE_CHECKING:
    from live_platform import LivePlatform

ADD = ("contract", "add", "tiny", "--consumer", "webshop", "--file", "requests.jsonl")


def record(platform: LivePlatform, *bodies: dict[str, Any]) -> None:
    (platform.root / "requests.jsonl").write_text("\n".join(json.dumps(body) for body in bodies))


def asked(*numbers: int) -> dict[str, Any]:
    return {"instances": [{"x": x} for x in numbers]}


def regression(platform: LivePlatform, name: str) -> dict[str, Any]:
    """Wait for the verdict of the regression gate of a revision."""
    found: list[dict[str, Any]] = []

    def is_judged() -> bool:
        attempts = platform.api(f"/revisions/{name}/promotions").json()
        found[:] = attempts[0]["verdicts"] if attempts else []
        return bool(found)

    platform.wait(is_judged)
    return found[0]


def test_what_is_not_kept_today_is_refused(platform: LivePlatform):
    record(platform, asked(1, 2), asked(5_000))
    refused = platform.rung(*ADD, "--reads", "y", expect=2)
    assert "tiny.v1.m1, the incumbent, does not keep it: 1 of 2 recorded requests was refused" in refused.stderr
    record(platform, asked(1, 2))
    unknown = platform.rung(*ADD, "--reads", "tax", expect=2)
    assert "a prediction of tiny.v1.m1 has no /tax on predict" in unknown.stderr
    assert platform.ask("contract", "list", "tiny") == []


def test_a_contract_is_versioned(platform: LivePlatform):
    record(platform, asked(1, 2), {"route": "predict", "body": asked(7)})
    first = platform.ask(*ADD, "--reads", "y", "--because", "it shows them")
    second = platform.ask(*ADD, "--reads", "y")
    assert (first["version"], second["version"], second["reads"]) == (1, 2, {"/y": ["number"]})
    (shown,) = platform.ask("contract", "show", "tiny", "webshop")
    assert (shown["version"], shown["major"], len(shown["requests"])) == (2, "tiny.v1", 2)


def test_a_revision_that_breaks_it_is_torn_down(platform: LivePlatform):
    """The rule is one in Python, which no comparison of schemas sees."""
    rule = """
    @field_validator("x")
    @classmethod
    def _odd(cls, x: int) -> int:
        if x == 7:
            raise ValueError("seven is refused")
        return x
"""
    field = "from pydantic import BaseModel, Field"
    tiny_service.change(platform.root, field, f"{field}, field_validator", file="schema/request.py")
    tiny_service.change(platform.root, "le=1_000)]\n", f"le=1_000)]\n{rule}", file="schema/request.py")
    tiny_service.change(platform.root, "range(1, 201)", "range(8, 201)")
    checked = platform.rung("contract", "check", "tiny", expect=1)
    assert "the contract of webshop (version 2) is broken: 1 of 2 recorded requests was refused" in checked.stdout
    found = {one["check"]: one for one in platform.ask("check", "tiny", expect=1)}
    assert "seven is refused" in found["contracts"]["because"]
    tiny_service.document(platform.root, 2)
    platform.commit()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=platform.root, capture_output=True, text=True, check=True)
    (platform.root / "experiments/tiny/train/main.py").write_text("a tree that nobody deploys")
    trained = platform.ask("deploy", "training", "tiny", "--commit", head.stdout.strip())
    subprocess.run(["git", "checkout", "--", "."], cwd=platform.root, check=True)
    assert (trained["id"], trained["commit"], trained["dirty"]) == ("tiny.v1.m2", head.stdout.strip(), False)
    platform.rung("deploy", "serving", "tiny.v1.m2")
    platform.rung("promote", "tiny.v1.m2", "--detach")
    verdict = regression(platform, "tiny.v1.m2")
    assert verdict["kind"] == "fail"
    assert verdict["because"].startswith(
        "all 1 regression tests passed on the live endpoint; the contract of webshop (version 2) is broken: 1 of 2 "
        "recorded requests was refused (predict answered 422"
    )
    platform.wait(lambda: platform.states()["tiny.v1.m2"] == "torn_down")


def test_the_reason_is_filled_in_and_found_again(platform: LivePlatform):
    platform.rung("doc", "fill", "tiny.v1.m2")
    text = (platform.root / "experiments/tiny/experiments/v1.m2.md").read_text()
    assert "**Rejected** on " in text
    assert "| regression | fail | all 1 regression tests passed" in text
    hits = platform.ask("knowledge", "search", "webshop refuses seven")
    assert ("tiny.v1.m2", "rung why tiny.v1.m2") in {(hit["revision"], hit["command"]) for hit in hits}
    (listed,) = [one for one in platform.ask("doc", "list", "tiny") if one["revision"] == "tiny.v1.m2"]
    assert listed["results"] == "rejected"
    assert platform.ask("doc", "fill", "tiny.v1.m2")["changed"] is False


def test_results_that_were_changed_by_hand_are_refused(platform: LivePlatform):
    path = platform.root / "experiments/tiny/experiments/v1.m2.md"
    path.write_text(path.read_text().replace("**Rejected**", "**Promoted**"))
    assert "only evidence writes them" in platform.rung("doc", "fill", "tiny.v1.m2", expect=2).stderr
    found = {one["check"]: one for one in platform.ask("check", "tiny", expect=1)}
    assert found["documents"]["because"].startswith("the results in v1.m2.md were changed by hand")
    assert platform.ask("doc", "fill", "tiny.v1.m2", "--overwrite")["overwritten"] is True
    assert "**Rejected**" in path.read_text()


def test_a_contract_that_holds_is_named_and_a_removed_one_is_not(platform: LivePlatform):
    record(platform, asked(1, 2))
    platform.rung(*ADD, "--reads", "y")
    tiny_service.document(platform.root, 3)
    name = platform.deploy("tiny")
    platform.rung("promote", name, "--detach")
    verdict = regression(platform, name)
    assert verdict["because"].endswith("; the contract of webshop holds")
    assert verdict["evidence"]["contracts"][0]["version"] == 3
    platform.rung("contract", "remove", "tiny", "webshop", "--because", "it was switched off")
    assert platform.ask("contract", "list", "tiny") == []
    assert "has no contract" in platform.rung("contract", "show", "tiny", "webshop", expect=2).stderr
    assert platform.ask("contract", "check", "tiny") == []
