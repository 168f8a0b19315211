from __future__ import annotations

import math
from typing import Any

import pytest

from rung.lifecycle import State
from rung.mlflow._facts import aliases, is_ours, run_facts
from rung.schema import RevisionName

RECORD: dict[str, Any] = {
    "id": "housing-20261122-020939-234ec15",
    "service": "housing",
    "status": "succeeded",
    "started": "2026-11-22T02:09:39.564+00:00",
    "ended": "2026-11-22T02:09:41.564+00:00",
    "seconds": 2.0,
    "commit": "c0ffee",
    "dirty": True,
    "hyperparameters": {"n": 3, "layers": [1, 2], "model": "linear"},
    "metrics": {"r2": 0.5, "nothing": math.nan},
    "tasks": [
        {
            "name": "build_model",
            "digest": "sha256:1",
            "kept": {"held_out": "sha256:2"},
            "data": [{"path": "dataset:houses@3", "digest": "sha256:3"}],
        }
    ],
}


def names(*written: str) -> list[RevisionName]:
    return [RevisionName.parse(f"housing.{one}") for one in written]


def test_parameters_are_text_and_metrics_finite():
    facts = run_facts(RECORD)
    assert facts.parameters == {"n": "3", "layers": "[1, 2]", "model": "linear"}
    assert facts.metrics == {"r2": 0.5}
    assert (facts.status, facts.ended_ms - facts.started_ms) == ("FINISHED", 2_000)


def test_outputs_and_data_are_told_by_reference():
    tags = run_facts(RECORD).tags
    assert tags["rung.artifact.build_model"] == "sha256:1"
    assert tags["rung.artifact.held_out"] == "sha256:2"
    assert tags["rung.read.dataset_houses_3"] == "sha256:3"
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    assert "rung.revision" not in tags


def test_reports_are_a_metric_by_step():
    task = {"name": "fit/1", "digest": "sha256:1", "reports": [[0, 0.5], [1, 0.25], [2, math.nan]]}
    assert run_facts({**RECORD, "tasks": [task]}).histories == {"fit/1.reported": ((0, 0.5), (1, 0.25))}
    assert run_facts(RECORD).histories == {}


def test_failed_run_tells_why():
    facts = run_facts({**RECORD, "status": "failed", "error": "x" * 10_000, "ended": None})
    assert facts.status == "FAILED"
    assert len(facts.tags["rung.error"]) == 5_000
    assert facts.ended_ms - facts.started_ms == 2_000


def test_aliases_follow_the_states_of_revisions():
    one, two, three = names("v1.m1", "v1.m2", "v1.m3")
    states = {one: State.RETIRED, two: State.INCUMBENT, three: State.EXPERIMENTING}
    assert aliases(states, {one: "1", two: "2", three: "3"}) == {
        "v1-m1": "1",
        "v1-m2": "2",
        "v1-m3": "3",
        "incumbent": "2",
        "v1-incumbent": "2",
        "challenger": "3",
        "v1-challenger": "3",
    }


def test_incumbent_is_that_of_the_newest_major():
    old, new = names("v1.m1", "v2.m1")
    found = aliases({old: State.INCUMBENT, new: State.INCUMBENT}, {old: "1", new: "2"})
    assert (found["incumbent"], found["v1-incumbent"], found["v2-incumbent"]) == ("2", "1", "2")


@pytest.mark.parametrize("alias", ["shop", "champion", "v1", "incumbent2"])
def test_aliases_of_others_are_not_ours(alias: str):
    assert not is_ours(alias)
