"""Proposals of a study depend on its seed and on earlier results, and on nothing else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rung.errors import NotFoundError
from rung.registry import open_registry
from rung.training import RunRecord, TaskRecord
from rung.tuning import Spec, Study, names
from rung.tuning._evidence import Pair
from rung.tuning._space import Parameter, Space
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from postgresql import PostgresServer

    from rung.tuning import Tried

RATE = Parameter(name="rate", kind="float", default=0.1, low=0.01, high=1.0, log=True)
DEPTH = Parameter(name="depth", kind="int", default=3, low=1, high=9)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "rung.toml").touch()
    return Workspace(root=tmp_path, state=tmp_path / ".rung")


def spec(name: str, *, parallel: int = 1, seed: int = 0) -> Spec:
    return Spec(
        name=name,
        service="tiny",
        metric="score",
        goal="maximize",
        seed=seed,
        parallel=parallel,
        compute="local",
        pruner="median",
        settings={},
        space=Space(parameters=(RATE, DEPTH), left_out={}),
        base_seed=0,
        seeds=2,
        code="",
        environment="",
    )


def run(one: Tried, score: float | None, status: str = "succeeded") -> RunRecord:
    reports = [[1, one.values["rate"]]]
    task = TaskRecord(name="fit", key="", state="ran", because="", reports=reports)
    return RunRecord(
        id=f"tiny-{one.number}",
        service="tiny",
        status=status,
        started="",
        user="",
        python="",
        rung="",
        pid=0,
        tasks=[task],
        metrics={} if score is None else {"score": score},
        error=None if status == "succeeded" else "it broke",
    )


def score_of(one: Tried) -> float:
    return float(-abs(one.values["rate"] - 0.3) - abs(one.values["depth"] - 5))


def proposed(study: Study, trials: int, *, order: int) -> list[dict[str, object]]:
    """Run a study whose trials side by side end in a random order."""
    chance, running = random.Random(order), []
    while True:
        known = study.trials()
        while len(known) < trials and len(running) < study.spec.parallel and study.may_propose(known):
            running.append(study.propose(known))
            known = study.trials()
        if not running:
            return [dict(one.values) for one in known]
        one = running.pop(chance.randrange(len(running)))
        failed = one.number % 5 == 3
        study.end(one.number, run(one, None if failed else score_of(one), "failed" if failed else "succeeded"))


def test_the_first_trial_is_the_defaults(workspace: Workspace) -> None:
    assert proposed(Study.create(workspace, spec("a")), 1, order=0) == [{"rate": 0.1, "depth": 3}]


def test_the_same_seed_proposes_the_same(workspace: Workspace) -> None:
    first, same, other = (
        proposed(Study.create(workspace, spec(name, seed=seed)), 14, order=0)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == same
    assert first[1:] != other[1:]


def test_which_trial_was_faster_changes_nothing(workspace: Workspace) -> None:
    found = [
        proposed(Study.create(workspace, spec(f"study-{order}", parallel=4)), 16, order=order) for order in range(2)
    ]
    assert found[0] == found[1]


def test_a_study_that_is_opened_again_proposes_what_it_would_have(workspace: Workspace) -> None:
    whole = proposed(Study.create(workspace, spec("whole", parallel=3)), 16, order=1)
    proposed(Study.create(workspace, spec("parts", parallel=3)), 7, order=2)
    assert proposed(Study.open(workspace, "parts"), 16, order=3) == whole


def test_the_best_is_found_and_told(workspace: Workspace) -> None:
    study = Study.create(workspace, spec("a"))
    proposed(study, 16, order=0)
    best = study.best()
    assert best is not None
    assert best.value == max(one.value for one in study.trials() if one.value is not None)
    assert study.winner()["depth"] == best.values["depth"]
    assert set(study.importances()) == {"rate", "depth"}
    assert [one.number for one in study.trials() if one.state == "failed"] == [3, 8, 13]
    assert study.trials()[3].because == "it broke"


def test_a_best_that_breaks_a_test_of_the_defaults_does_not_win(workspace: Workspace) -> None:
    study = Study.create(workspace, spec("a"))
    for score, failed in ((0.5, []), (0.9, ["test_bigger_is_dearer"]), (0.6, [])):
        one = study.propose(study.trials())
        record = run(one, score)
        record.failed_tests = failed
        study.end(one.number, record)
    best = study.best()
    assert best is not None
    assert best.number == 2


def test_a_winner_is_judged_by_its_own_pairs(workspace: Workspace) -> None:
    study = Study.create(workspace, spec("a"))
    for score in (0.5, 0.6):
        one = study.propose(study.trials())
        study.end(one.number, run(one, score))
    study.keep_pairs([Pair(seed=seed, defaults=0.5, winner=0.6 + seed / 100, runs=("a", "b")) for seed in (1, 2)])
    assert study.evidence is not None
    assert study.evidence.is_better
    better = study.propose(study.trials())
    study.end(better.number, run(better, 0.7))
    assert study.evidence is None


def test_limits_come_from_what_a_proposal_knew(workspace: Workspace) -> None:
    study = Study.create(workspace, spec("a", parallel=2))
    proposed(study, 12, order=0)
    trials = study.trials()
    assert study.limits(8, trials) == study.limits(8, trials[:7])
    assert set(study.limits(8, trials)) == {1}
    assert study.limits(5, trials) == {}


def test_a_study_that_nobody_began_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="no study 'gone'"):
        Study.open(workspace, "gone")


def test_studies_lie_beside_a_registry_in_postgresql(
    workspace: Workspace, postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.database()
    monkeypatch.setenv("RUNG_REGISTRY", url)
    proposed(Study.create(workspace, spec("a")), 3, order=0)
    assert names(workspace) == ["a"]
    assert len(Study.open(workspace, "a").trials()) == 3
    with open_registry(workspace.state, url) as registry:  # its tables, and the version of its schema, are its own
        assert registry.runs() == []
