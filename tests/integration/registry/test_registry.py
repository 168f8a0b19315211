"""Operations on a real file: what is written together, what is refused, and what an error undoes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import StatementError

from rung.errors import ConflictError, NotFoundError, UnavailableError
from rung.lifecycle import MOVES, Gate, State, Verdict, VerdictKind
from rung.registry import Promotion, Registry, open_registry, record_run
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

M0, M1 = (RevisionName(service="housing", major=1, minor=minor) for minor in (0, 1))


def states(registry: Registry) -> dict[str, State]:
    return {str(one.name): one.state for one in registry.revisions()}


def everything(registry: Registry) -> tuple[Any, ...]:
    return registry.revisions(), registry.events(), registry.promotions(), registry.experiments()


# --- revisions ---


def test_first_revision_is_the_benchmark(registry: Registry):
    names = [registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False) for _ in range(2)]
    assert names == [M0, M1]
    assert names[0].is_benchmark


def test_majors_and_services_count_apart(registry: Registry):
    for service, major in (("housing", 1), ("housing", 2), ("sentiment", 1)):
        assert registry.create_revision(service, major, actor="ada", commit=None, dirty=False).minor == 0
    assert [str(one.name) for one in registry.revisions("housing")] == ["housing.v1.m0", "housing.v2.m0"]
    assert [str(one.name) for one in registry.revisions("housing", 2)] == ["housing.v2.m0"]


def test_revisions_sort_by_number(registry: Registry):
    for _ in range(11):
        registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    assert [one.name.minor for one in registry.revisions()] == list(range(11))


def test_watched_are_those_that_have_a_server_or_train(registry: Registry, crowned: Callable, in_an_hour: datetime):
    old = crowned()
    new = crowned()
    failed = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    registry.move(failed, State.FAILED, because="its training ended", actor="rung")
    training = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    watched = {one.name for one in registry.watched(datetime.now(UTC))}
    assert {old, new, training} <= watched
    assert failed not in watched
    later = {one.name for one in registry.watched(in_an_hour + timedelta(hours=1))}
    assert watched - later == {old}


def test_new_revision_tells_its_origin(registry: Registry):
    name = registry.create_revision("housing", 1, actor="ada", commit="c0ffee", dirty=True)
    found = registry.revision(name)
    assert (found.state, found.actor, found.commit, found.dirty) == (State.TRAINING, "ada", "c0ffee", True)
    assert found.reason == "training was deployed from a tree that differs from its commit"
    assert found.created.tzinfo == UTC
    assert registry.events()[-1].data == {"commit": "c0ffee", "dirty": True}


def test_unknown_revision_is_refused(registry: Registry):
    for call in (
        lambda: registry.revision(M1),
        lambda: registry.move(M1, State.TRAINED, because="x", actor="ada"),
        lambda: registry.set_environment(M1, "key"),
        lambda: registry.begin_promotion(M1, actor="ada"),
    ):
        with pytest.raises(NotFoundError, match=r"there is no revision housing\.v1\.m1: `rung status housing`"):
            call()


def test_environment_is_kept(registry: Registry, candidate: Callable):
    name = candidate()
    registry.set_environment(name, "sha256-1")
    assert registry.revision(name).environment == "sha256-1"


def test_move_is_written_with_its_event(registry: Registry):
    name = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    registry.move(name, State.TRAINED, because="it ended with 0", actor="rung", data={"exit_code": 0})
    event, revision = registry.events()[-1], registry.revision(name)
    assert (event.kind, event.subject, event.actor, event.because, event.data) == (
        "trained",
        "housing.v1.m0",
        "rung",
        "it ended with 0",
        {"exit_code": 0},
    )
    assert (revision.state, revision.reason) == (State.TRAINED, "it ended with 0")
    assert event.time <= revision.since


@pytest.mark.parametrize("to", sorted(set(State) - MOVES[State.CANDIDATE]))
def test_illegal_move_changes_nothing(registry: Registry, candidate: Callable, to: State):
    name = candidate()
    before = everything(registry)
    with pytest.raises(ConflictError, match=f"is candidate and cannot become {to}"):
        registry.move(name, to, because="by force", actor="ada")
    assert everything(registry) == before


def test_move_with_bad_data_changes_nothing(registry: Registry, candidate: Callable):
    name = candidate()
    before = everything(registry)
    with pytest.raises(StatementError):
        registry.move(name, State.ON_HOLD, because="x", actor="ada", data={"not": {"JSON"}})
    assert everything(registry) == before


def test_every_way_is_told_by_events(registry: Registry, crowned: Callable):
    crowned()
    crowned()
    kinds = [(event.subject, event.kind) for event in registry.events()]
    life = ["training", "trained", "deploying", "candidate", "testing"]
    assert kinds == [
        *[("housing.v1.m0", kind) for kind in [*life, "incumbent"]],
        *[("housing.v1.m1", kind) for kind in life],
        ("housing.v1.m0", "retired"),
        ("housing.v1.m1", "incumbent"),
    ]
    assert all(event.because and event.actor for event in registry.events())


# --- events ---


def test_events_are_read_on_from_the_last(registry: Registry):
    for subject in ("housing", "housing.v1", "housing.v1.m3", "sentiment"):
        registry.record_event("note", subject, because="it was noted", actor="ada", size=3)
    events = registry.events()
    assert [event.subject for event in events] == ["housing", "housing.v1", "housing.v1.m3", "sentiment"]
    assert registry.events(after=events[1].id, limit=1) == [events[2]]
    assert registry.events(service="sentiment") == [events[3]]
    assert events[0].data == {"size": 3}


# --- runs ---


def record(identity: str, started: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "service": "housing", "started": started, "status": "succeeded", **more}


@pytest.mark.parametrize("plain", [False, True], ids=["registry", "training"])
def test_newer_record_of_a_run_replaces(*, tmp_path: Path, registry: Registry, url: str | None, plain: bool):
    for score in (0.1, 0.2):
        one = record("r1", "2030-01-01", score=score)
        if plain:
            record_run(tmp_path, one, url)
        else:
            registry.record_run(one)
    assert registry.run("r1")["score"] == 0.2
    assert len(registry.runs()) == 1


def test_run_makes_the_registry_when_needed(tmp_path: Path):
    record_run(tmp_path / "new", record("r1", "2030-01-01"))
    with open_registry(tmp_path / "new") as registry:
        assert registry.run("r1")["status"] == "succeeded"


def test_newest_runs_come_first(registry: Registry):
    for identity, started in (("r1", "2030-01-01"), ("r3", "2030-01-03"), ("r2", "2030-01-02")):
        registry.record_run(record(identity, started))
    registry.record_run({**record("s1", "2030-01-09"), "service": "sentiment"})
    assert [run["id"] for run in registry.runs("housing", limit=2)] == ["r3", "r2"]
    assert len(registry.runs()) == 4


def test_unknown_run_is_refused(registry: Registry):
    with pytest.raises(NotFoundError, match="there is no run 'r9': `rung runs list` names them"):
        registry.run("r9")


# --- promotions ---


def test_promotion_begins_in_testing(registry: Registry, candidate: Callable, attempt: Callable):
    promotion = attempt(candidate())
    assert states(registry) == {"housing.v1.m0": State.TESTING}
    assert (promotion.revision, promotion.actor, promotion.ended, promotion.verdicts) == (M0, "ada", None, ())
    assert registry.promotions("housing", active_only=True) == [promotion]
    assert registry.promotions("sentiment") == []


def test_second_promotion_of_a_major_is_refused(registry: Registry, candidate: Callable, attempt: Callable):
    attempt(candidate())
    other = candidate()
    before = everything(registry)
    with pytest.raises(ConflictError, match=r"another promotion of housing\.v1 is under way: `rung status housing`"):
        registry.begin_promotion(other, actor="bob")
    assert everything(registry) == before


def test_same_candidate_cannot_be_promoted_twice(registry: Registry, candidate: Callable, attempt: Callable):
    name = candidate()
    attempt(name)
    with pytest.raises(ConflictError, match="is testing and cannot become testing"):
        registry.begin_promotion(name, actor="bob")


def test_other_majors_may_be_promoted(registry: Registry, candidate: Callable, attempt: Callable):
    attempt(candidate())
    other = registry.create_revision("housing", 2, actor="ada", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        registry.move(other, state, because="x", actor="ada")
    attempt(other)
    assert len(registry.promotions(active_only=True)) == 2


def test_gate_is_kept_with_its_start(registry: Registry, candidate: Callable, attempt: Callable):
    before = datetime.now(UTC)
    registry.begin_gate(attempt(candidate()), Gate.DATA, because="the data gate is next")
    (promotion,) = registry.promotions()
    assert promotion.gate == Gate.DATA
    assert before <= promotion.gate_since <= datetime.now(UTC)
    assert registry.events()[-1].data == {"gate": "data"}


def test_verdicts_are_kept_in_order(registry: Registry, candidate: Callable, attempt: Callable):
    promotion = attempt(candidate())
    given = tuple(
        Verdict(gate=gate, kind=VerdictKind.PASS, because=f"{gate} is fine", evidence={"rows": [1, 2]}) for gate in Gate
    )
    for verdict in given:
        registry.add_verdict(promotion, verdict)
    assert registry.promotions()[0].verdicts == given
    assert [event.kind for event in registry.events()[-4:]] == ["verdict"] * 4


def test_first_verdict_of_a_gate_stays(registry: Registry, candidate: Callable, attempt: Callable):
    promotion = attempt(candidate())
    first = Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because="it is worse")
    registry.add_verdict(promotion, first)
    before = everything(registry)
    registry.add_verdict(promotion, dataclasses.replace(first, kind=VerdictKind.PASS))
    assert everything(registry) == before


DESIGN = {"share": 0.25, "metrics": []}
BANDIT = {"bandit": {"interval": "PT1M"}, "metrics": []}


def shares(promotion: Promotion, incumbent: RevisionName) -> dict[str, float]:
    return {str(promotion.revision): 0.25, str(incumbent): 0.75}


def test_experiment_moves_the_challenger(
    *, registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable, in_an_hour: datetime
):
    incumbent, challenger = crowned(), candidate()
    promotion = attempt(challenger)
    identity = registry.begin_experiment(promotion, incumbent, design=DESIGN, shares=shares(promotion, incumbent))
    (experiment,) = registry.experiments(active_only=True)
    assert (experiment.id, experiment.incumbent, experiment.challenger) == (identity, incumbent, challenger)
    assert registry.revision(challenger).reason == "A/B test against housing.v1.m0: 25% of the units"
    registry.keep_look(identity, {"units": 3})
    registry.crown(promotion, because="it is better", warm_until=in_an_hour)
    assert registry.experiments(active_only=True) == []
    assert registry.experiments()[0].look == {"units": 3}


def test_experiment_begins_once(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    incumbent, promotion = crowned(), attempt(candidate())
    registry.begin_experiment(promotion, incumbent, design=DESIGN, shares=shares(promotion, incumbent))
    before = everything(registry)
    with pytest.raises(ConflictError, match="is experimenting and cannot become experimenting"):
        registry.begin_experiment(promotion, incumbent, design=DESIGN, shares=shares(promotion, incumbent))
    assert everything(registry) == before


def test_crown_retires_the_old_incumbent(registry: Registry, crowned: Callable, in_an_hour: datetime):
    old, new = crowned(), crowned()
    assert states(registry) == {str(old): State.RETIRED, str(new): State.INCUMBENT}
    assert (registry.revision(old).reason, registry.revision(old).warm_until) == (f"superseded by {new}", in_an_hour)
    assert registry.revision(new).promoted is not None
    assert [(one.outcome, one.because) for one in registry.promotions()] == [("promoted", "it is better")] * 2


def test_reject_tears_the_candidate_down(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    old, new = crowned(), candidate()
    promotion = attempt(new)
    registry.begin_experiment(promotion, old, design=DESIGN, shares=shares(promotion, old))
    registry.reject(promotion, because="it is worse")
    assert states(registry) == {str(old): State.INCUMBENT, str(new): State.TORN_DOWN}
    assert (registry.revision(new).reason, registry.promotions()[-1].outcome) == ("it is worse", "rejected")
    assert registry.experiments(active_only=True) == []


def test_ended_attempt_cannot_end_a_later_one(
    registry: Registry, candidate: Callable, attempt: Callable, in_an_hour: datetime
):
    name = candidate()
    first = attempt(name)
    registry.reject(first, because="it is worse")
    registry.move(name, State.CANDIDATE, because="revived", actor="ada")
    attempt(name)
    before = everything(registry)
    for end in (
        lambda: registry.crown(first, because="late", warm_until=in_an_hour),
        lambda: registry.reject(first, because="late"),
    ):
        with pytest.raises(ConflictError, match=r"attempt 1 to promote housing\.v1\.m0 has ended"):
            end()
        assert everything(registry) == before


def plant(registry: Registry, verb: str, table: str, when: str = "") -> None:
    """Let the database refuse a change, where no caller reaches."""
    condition = f"WHEN ({when})" if when else ""
    begun = f"CREATE TRIGGER planted BEFORE {verb} ON {table}"
    with registry._engine.connect() as connection:  # noqa: SLF001
        if registry.backend.name == "sqlite":
            connection.exec_driver_sql(f"{begun} {condition} BEGIN SELECT RAISE(ABORT, 'planted'); END")
            return
        connection.exec_driver_sql(
            "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$"
        )
        connection.exec_driver_sql(f"{begun} FOR EACH ROW {condition} EXECUTE FUNCTION planted()")
        connection.commit()


@pytest.mark.parametrize("table", ["promotions", "experiments", "revisions", "events"])
def test_error_in_the_middle_undoes_a_crown(
    *, registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable, table: str
):
    old = crowned()
    promotion = attempt(candidate())
    registry.begin_experiment(promotion, old, design=DESIGN, shares=shares(promotion, old))
    before = everything(registry)
    verb = "INSERT" if table == "events" else "UPDATE"
    refuse = {
        "revisions": "NEW.state IN ('incumbent', 'torn_down')",
        "events": "NEW.kind IN ('incumbent', 'torn_down')",
    }
    plant(registry, verb, table, refuse.get(table, ""))
    for end in (
        lambda: registry.crown(promotion, because="x", warm_until=datetime.now(UTC)),
        lambda: registry.reject(promotion, because="x"),
    ):
        with pytest.raises(Exception, match="planted"):
            end()
        assert everything(registry) == before


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_full_disk_is_told_and_undone(registry: Registry, candidate: Callable):
    candidate()
    before = everything(registry)
    with registry._engine.connect() as connection:  # noqa: SLF001  the limit stands for a full disk
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnavailableError, match="database or disk is full"):
        registry.record_event("note", "housing", because="x" * 1_000_000, actor="ada")
    assert everything(registry) == before
    registry.record_event("note", "housing", because="short", actor="ada")


def test_only_one_incumbent_fits(registry: Registry, crowned: Callable, candidate: Callable):
    crowned()
    other = candidate()
    registry.begin_promotion(other, actor="ada")
    before = everything(registry)
    with pytest.raises(Exception, match=r"UNIQUE constraint failed|duplicate key value violates unique constraint"):
        registry.move(other, State.INCUMBENT, because="by force", actor="ada")
    assert everything(registry) == before


# --- rollback ---


def test_rollback_brings_the_last_incumbent_back(registry: Registry, crowned: Callable, in_an_hour: datetime):
    old, new = crowned(), crowned()
    assert registry.rollback_target("housing", 1) == old
    assert registry.rollback("housing", 1, because="complaints", actor="ada", warm_until=in_an_hour) == old
    assert states(registry) == {str(old): State.INCUMBENT, str(new): State.RETIRED}
    assert registry.revision(old).warm_until is None
    assert [event.because for event in registry.events()[-2:]] == [
        f"rolled back to {old}: complaints",
        f"rolled back from {new}: complaints",
    ]


def test_rollback_needs_a_warm_one(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    crowned()
    past = datetime.now(UTC) - timedelta(seconds=1)
    registry.crown(attempt(candidate()), because="better", warm_until=past)
    before = everything(registry)
    with pytest.raises(ConflictError, match=r"housing\.v1 has no earlier incumbent that is kept warm"):
        registry.rollback("housing", 1, because="x", actor="ada", warm_until=past)
    assert everything(registry) == before


def test_rollback_needs_an_incumbent(registry: Registry, candidate: Callable, in_an_hour: datetime):
    candidate()
    with pytest.raises(ConflictError, match=r"housing\.v1 has no incumbent: `rung promote` makes one"):
        registry.rollback("housing", 1, because="x", actor="ada", warm_until=in_an_hour)


def test_rollback_waits_for_a_promotion(
    *, registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable, in_an_hour: datetime
):
    crowned()
    crowned()
    attempt(candidate())
    before = everything(registry)
    with pytest.raises(ConflictError, match=r"a promotion of housing\.v1 is under way"):
        registry.rollback("housing", 1, because="x", actor="ada", warm_until=in_an_hour)
    assert everything(registry) == before


def test_error_in_the_middle_undoes_a_rollback(registry: Registry, crowned: Callable, in_an_hour: datetime):
    crowned()
    crowned()
    before = everything(registry)
    plant(registry, "UPDATE", "revisions", "NEW.state = 'incumbent'")
    with pytest.raises(Exception, match="planted"):
        registry.rollback("housing", 1, because="x", actor="ada", warm_until=in_an_hour)
    assert everything(registry) == before


# --- processes ---


def test_processes_are_kept_until_forgotten(registry: Registry):
    registry.keep_process("gateway", {"pid": 1})
    registry.keep_process("gateway", {"pid": 2})
    registry.keep_process("housing.v1.m1", {"pid": 3})
    assert registry.processes() == {"gateway": {"pid": 2}, "housing.v1.m1": {"pid": 3}}
    registry.forget_process("gateway")
    registry.forget_process("gateway")
    assert registry.processes() == {"housing.v1.m1": {"pid": 3}}
