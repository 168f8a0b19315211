"""Whatever the facts: only evidence crowns, nothing waits for ever, and no walk through the table breaks it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rung.lifecycle import (
    MOVES,
    Crown,
    ExperimentFacts,
    Gate,
    PromotionFacts,
    Reject,
    StartExperiment,
    StartGate,
    State,
    Verdict,
    VerdictKind,
    Wait,
    check_move,
    decide,
)

if TYPE_CHECKING:
    from random import Random

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BEFORE_TRAFFIC = {Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD}

moments = st.integers(min_value=-1_000_000, max_value=10).map(lambda seconds: NOW + timedelta(seconds=seconds))
durations = st.integers(min_value=1, max_value=1_000_000).map(lambda seconds: timedelta(seconds=seconds))


def verdict(gates: st.SearchStrategy[Gate]) -> st.SearchStrategy[Verdict]:
    kinds = st.sampled_from([VerdictKind.PASS] * 3 + [VerdictKind.FAIL, VerdictKind.INCONCLUSIVE])
    return st.builds(Verdict, gate=gates, kind=kinds, because=st.just("it says so"))


experiments = st.builds(
    ExperimentFacts,
    id=st.just("e"),
    started=moments,
    deadline=durations,
    verdict=st.none() | verdict(st.just(Gate.EXPERIMENT)),
    progress=st.just("half way"),
)
facts = st.builds(
    PromotionFacts,
    revision=st.just("housing.v1.m2"),
    state=st.sampled_from(State),
    verdicts=st.lists(verdict(st.sampled_from(Gate)), max_size=4, unique_by=lambda one: one.gate),
    running=st.none() | st.sampled_from(Gate),
    gate_since=st.none() | moments,
    gate_deadline=durations,
    incumbent=st.none() | st.just("housing.v1.m1"),
    experiment=st.none() | experiments,
    server_down_since=st.none() | moments,
    server_patience=durations,
)


def passed_all(some: PromotionFacts) -> bool:
    kinds = {one.gate: one.kind for one in some.verdicts}
    return all(kinds.get(gate) is VerdictKind.PASS for gate in BEFORE_TRAFFIC) and set(kinds.values()) == {
        VerdictKind.PASS
    }


@given(some=facts)
def test_only_full_evidence_leads_to_traffic(some: PromotionFacts):
    decision = decide(some, NOW)
    if isinstance(decision, Crown | StartExperiment):
        assert passed_all(some)
    if isinstance(decision, Crown):
        tested = some.experiment is not None and some.experiment.verdict is not None
        assert some.incumbent is None or (tested and some.experiment.verdict.kind is VerdictKind.PASS)
    if isinstance(decision, StartExperiment):
        assert some.incumbent is not None
        assert some.experiment is None


@given(some=facts)
def test_every_decision_has_its_reason(some: PromotionFacts):
    assert decide(some, NOW).because.strip()


@given(some=facts)
def test_bad_verdict_always_rejects(some: PromotionFacts):
    if any(one.kind is not VerdictKind.PASS for one in some.verdicts):
        assert isinstance(decide(some, NOW), Reject)


@given(some=facts)
def test_every_wait_ends(some: PromotionFacts):
    if not isinstance(decide(some, NOW), Wait):
        return
    began = some.experiment.started if passed_all(some) else some.gate_since
    longest = some.experiment.deadline if passed_all(some) else some.gate_deadline
    assert isinstance(decide(some, began + longest + timedelta(microseconds=1)), Reject)


@given(some=facts)
def test_down_server_ends_every_wait(some: PromotionFacts):
    down = dataclasses.replace(some, server_down_since=NOW)
    later = NOW + some.server_patience + timedelta(microseconds=1)
    assert isinstance(decide(down, later), Reject)


@given(some=facts, seed=st.randoms(use_true_random=False))
def test_order_of_verdicts_never_helps(some: PromotionFacts, seed: Random):
    shuffled = list(some.verdicts)
    seed.shuffle(shuffled)
    assert type(decide(some, NOW)) is type(decide(dataclasses.replace(some, verdicts=shuffled), NOW))


@given(incumbent=st.none() | st.just("housing.v1.m1"), kinds=st.data(), waits=st.integers(min_value=1, max_value=9))
def test_every_promotion_ends(incumbent: str | None, kinds: st.DataObject, waits: int):
    """Play the control plane: jobs end after some looks or never, with any verdict."""
    some = PromotionFacts(
        revision="housing.v1.m2",
        state=State.TESTING,
        verdicts=(),
        running=None,
        gate_since=None,
        gate_deadline=timedelta(seconds=5),
        incumbent=incumbent,
        experiment=None,
        server_down_since=None,
        server_patience=timedelta(seconds=5),
    )
    now, looks = NOW, 0
    for _ in range(100):
        now, looks = now + timedelta(seconds=1), looks + 1
        match decide(some, now):
            case Crown() | Reject():
                return
            case StartGate(gate=gate):
                some, looks = dataclasses.replace(some, running=gate, gate_since=now), 0
            case StartExperiment():
                begun = ExperimentFacts(
                    id="e", started=now, deadline=timedelta(seconds=5), verdict=None, progress="half way"
                )
                some, looks = dataclasses.replace(some, experiment=begun, running=None), 0
            case Wait() if looks >= waits:
                gate = some.running or Gate.EXPERIMENT
                found = kinds.draw(verdict(st.just(gate)))
                some = dataclasses.replace(some, verdicts=(*some.verdicts, found))
                if some.experiment is not None:
                    some = dataclasses.replace(some, experiment=dataclasses.replace(some.experiment, verdict=found))
    raise AssertionError(f"it goes on for ever: {some}")


@given(steps=st.lists(st.integers(min_value=0, max_value=3), max_size=30))
def test_failed_is_final_on_every_walk(steps: list[int]):
    state = State.TRAINING
    for step in steps:
        following = sorted(MOVES[state])
        if not following:
            assert state is State.FAILED
            return
        to = following[step % len(following)]
        check_move("housing.v1.m1", state, to)
        state = to
