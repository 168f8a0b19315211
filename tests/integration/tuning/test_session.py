"""`rung tune` from its first trial to a changed default, with real trainings in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tuned_shop import Shop, make_shop
from waiting import until

from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, dict[str, Any]]:
    """A workspace in which a study has ended, and what was said of it."""
    shop = make_shop(tmp_path_factory.mktemp("shop"))
    return shop, shop.asked("tune", "tiny", "--trials", "5", "--parallel", "2", "--seeds", "2")


def test_every_trial_is_a_run_of_the_study(tuned: tuple[Shop, dict[str, Any]]) -> None:
    shop, study = tuned
    workspace = Workspace(root=shop.root, state=shop.root / ".rung")
    with open_registry(workspace.state) as registry:
        runs = {run["id"]: run for run in registry.runs("tiny", kind="trial", limit=100)}
    assert len(runs) == 5 + 4
    for one in study["trials"]:
        run = runs[one["run"]]
        assert run["source"] == f"tiny-1#{one['number']}"
        assert run["status"] == one["state"]
        assert run["hyperparameters"]["slope"] == one["values"]["slope"]
        if one["state"] == "succeeded":
            assert run["metrics"]["mean_error"] == one["value"]


def test_failed_trials_are_kept_and_do_not_end_the_study(tuned: tuple[Shop, dict[str, Any]]) -> None:
    _, study = tuned
    failed = [one for one in study["trials"] if one["state"] == "failed"]
    assert failed
    assert all("it is broken" in one["because"] for one in failed)
    assert all(one["values"]["broken"] for one in failed)


def test_tasks_that_a_trial_does_not_change_are_not_run_again(tuned: tuple[Shop, dict[str, Any]]) -> None:
    shop, study = tuned
    runs = [json.loads((shop.root / ".rung/runs" / one["run"] / "run.json").read_bytes()) for one in study["trials"]]
    assert [run["tasks"][0]["state"] for run in runs] == ["ran"] + ["cached"] * 4


def test_the_winner_was_trained_again_beside_the_defaults(tuned: tuple[Shop, dict[str, Any]]) -> None:
    _, study = tuned
    assert [pair["seed"] for pair in study["pairs"]] == [1, 2]
    assert all(pair["winner"] < pair["defaults"] for pair in study["pairs"])
    assert study["evidence"]["is_better"]
    assert study["best"]["value"] < study["trials"][0]["value"]


def test_git_takes_the_proposal(tuned: tuple[Shop, dict[str, Any]]) -> None:
    shop, study = tuned
    check = ["git", "apply", "--check", "-"]
    assert subprocess.run(check, cwd=shop.root, input=study["proposal"], text=True, check=False).returncode == 0


def test_a_study_is_listed_and_shown(tuned: tuple[Shop, dict[str, Any]]) -> None:
    shop, study = tuned
    [row] = json.loads(shop.shown("tune", "list", "--json"))
    assert (row["study"], row["trials"], row["best"]) == ("tiny-1", 5, study["best"]["value"])
    shown = shop.shown("tune", "show", "tiny-1")
    assert "IMPORTANCE" in shown
    assert "`rung tune apply tiny-1` makes it the defaults" in shown
    assert shop.shown("tune", "show", "tiny-1", "--svg").startswith("<svg")


def test_a_study_does_not_go_on_with_other_code(tuned: tuple[Shop, dict[str, Any]]) -> None:
    shop, study = tuned
    before = shop.main.read_text()
    shop.main.write_text(before + "\n# changed\n")
    refused = shop.rung("tune", "tiny", "--study", study["name"], "--trials", "6")
    shop.main.write_text(before)
    assert refused.returncode == 2
    assert "the code of tiny has changed" in refused.stderr


def test_the_winner_becomes_the_default_once(shop: Shop, tuned: tuple[Shop, dict[str, Any]]) -> None:
    """In a copy of the workspace: other tests read the first one."""
    of, study = tuned
    subprocess.run(["cp", "-r", str(of.root / ".rung"), str(shop.root)], check=True)
    applied = shop.asked("tune", "apply", "tiny-1")["applied"]
    assert applied == study["proposal"]
    assert f"= {study['winner']['slope']!r}\n" in shop.main.read_text()
    again = shop.rung("tune", "apply", "tiny-1")
    assert again.returncode == 2
    assert "it was applied already" in again.stderr


def test_a_killed_study_goes_on_as_if_nothing_had_been(shop: Shop, tuned: tuple[Shop, dict[str, Any]]) -> None:
    words = ("tune", "tiny", "--parallel", "2", "--seeds", "0", "--study", "s", "--trials", "3")
    process = shop.begun(*words)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("#0"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    study = shop.asked(*words)
    assert [one["values"] for one in study["trials"]] == [one["values"] for one in tuned[1]["trials"]][:3]
    assert {one["state"] for one in study["trials"]} <= {"succeeded", "failed"}


def test_a_stopped_study_ends_its_trials_and_says_how_to_go_on(shop: Shop) -> None:
    words = ("tune", "tiny", "--parallel", "1", "--seeds", "0", "--study", "s", "--set", "pause=30")
    process = shop.begun(*words, "--trials", "2")
    until(lambda: any((shop.root / ".rung" / "runs").glob("*/load_data.artifact")))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "0 trials are kept; `rung tune tiny --study s --trials 2` goes on" in told
    [run] = json.loads(shop.shown("runs", "list", "tiny", "--json"))
    assert (run["status"], run["error"]) == ("failed", "it was stopped")


def test_defaults_that_fail_end_the_study(shop: Shop) -> None:
    ended = shop.rung("tune", "tiny", "--set", "broken=true", "--trials", "3")
    assert ended.returncode == 4
    assert "the defaults of tiny fail" in ended.stderr
    assert "it is broken" in ended.stderr
