"""Whatever the registry holds, nobody gets traffic who must not have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rung.control._routing import Endpoint, is_served, routing
from rung.gateway.assignment import BUCKETS
from rung.lifecycle import Split, SplitKind, State
from rung.registry import Experiment, Revision, Shadow
from rung.schema import RevisionName

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def revision(minor: int, state: State, *, warm: bool) -> Revision:
    return Revision(
        name=RevisionName(service="housing", major=1, minor=minor),
        state=state,
        reason="",
        since=NOW,
        created=NOW,
        actor="anna",
        run=f"run-{minor}",
        commit="abc",
        dirty=False,
        environment=None,
        warm_until=NOW + timedelta(hours=1) if warm else NOW - timedelta(hours=1),
        promoted=None,
    )


Found = tuple[list[Revision], list[Experiment], list[Shadow]]


@st.composite
def registries(draw: st.DrawFn) -> Found:
    """At most one incumbent, as the registry guarantees; everything else at random."""
    others = st.sampled_from([state for state in State if state is not State.INCUMBENT])
    states = draw(st.lists(others, min_size=1, max_size=6))
    if draw(st.booleans()):
        states[draw(st.integers(0, len(states) - 1))] = State.INCUMBENT
    revisions = [revision(minor, state, warm=draw(st.booleans())) for minor, state in enumerate(states)]
    names = st.sampled_from([found.name for found in revisions])
    experiments = [draw(experiment(number, names)) for number in range(draw(st.integers(0, 2)))]
    shadows = [
        Shadow(
            id=number,
            revision=name,
            share=draw(st.floats(min_value=0.01, max_value=1)),
            started=NOW,
            until=None,
            ended=None,
            actor="anna",
        )
        for number, name in enumerate(draw(st.lists(names, max_size=3, unique=True)))
    ]
    return revisions, experiments, shadows


@st.composite
def experiment(draw: st.DrawFn, number: int, names: st.SearchStrategy[RevisionName]) -> Experiment:
    """An A/B test or a bandit, with shares that sum to one, paused or not."""
    is_bandit = draw(st.booleans())
    incumbent = draw(names)
    arms = draw(st.lists(names, min_size=1, max_size=3 if is_bandit else 1, unique=True))
    weights = [draw(st.integers(1, 100)) for _ in arms]
    is_paused = draw(st.booleans())
    shares = {
        str(arm): 0.0 if is_paused else weight / (sum(weights) + 50) for arm, weight in zip(arms, weights, strict=True)
    }
    shares[str(incumbent)] = 1 - sum(share for name, share in shares.items() if name != str(incumbent))
    kind = SplitKind.PAUSE if is_paused else SplitKind.START
    return Experiment(
        id=f"e{number}",
        promotion=number,
        incumbent=incumbent,
        challenger=arms[0],
        design={"bandit": {}} if is_bandit else {"share": 0.5},
        started=NOW,
        ended=None,
        look=None,
        splits=(Split(since=NOW, kind=kind, shares=shares, because="", actor="anna"),),
        attempts=(number,),
    )


def endpoints(revisions: list[Revision]) -> dict[str, Endpoint]:
    return {
        str(one.name): Endpoint(addresses=(f"unix:/s/{one.name}",), timeout_s=5, unit_header="x-unit-id")
        for one in revisions
        if is_served(one, NOW)
    }


@given(registries())
def test_only_served_revisions_are_routed(found: Found):
    revisions, experiments, shadows = found
    states = {str(one.name): one.state for one in revisions}

    made = routing(revisions, experiments, shadows, endpoints(revisions), outcomes="unix:/s/collector")

    for backend in made.backends:
        assert states[backend.revision] not in {State.TORN_DOWN, State.FAILED, State.TRAINED, State.DEPLOYING}
    for production in made.productions:
        assert production.incumbent is None or states[production.incumbent] is State.INCUMBENT
        if production.split is not None:
            assert production.incumbent is not None
            assert {states[one.revision] for one in production.split.challengers} == {State.EXPERIMENTING}
            assert sum(production.split.weights) == BUCKETS


@given(registries())
def test_shadows_answer_nobody(found: Found):
    revisions, experiments, shadows = found
    made = routing(revisions, experiments, shadows, endpoints(revisions), outcomes="unix:/s/collector")
    for production in made.productions:
        mirrored = {shadow.revision for shadow in production.shadows}
        assert production.incumbent is not None or not mirrored
        assert mirrored <= {str(shadow.revision) for shadow in shadows}
        assert not mirrored & set(production.answering)


@given(registries())
def test_an_incumbent_with_a_server_answers_production(found: Found):
    revisions, experiments, shadows = found
    made = routing(revisions, experiments, shadows, endpoints(revisions), outcomes="unix:/s/collector")
    incumbents = [str(one.name) for one in revisions if one.state is State.INCUMBENT]
    assert [production.incumbent for production in made.productions if production.incumbent] == incumbents


@given(registries())
def test_only_who_had_production_stands_by(found: Found):
    revisions, experiments, shadows = found
    states = {str(revision.name): revision.state for revision in revisions}
    made = routing(revisions, experiments, shadows, endpoints(revisions), outcomes="unix:/s/collector")
    for production in made.productions:
        tried = {arm.revision for arm in production.arms if arm.weight} | {
            challenger.revision for challenger in (production.split.challengers if production.split else ())
        }
        if production.standby is not None:
            assert production.incumbent is not None
            assert states[production.standby] is State.RETIRED or production.standby in tried
