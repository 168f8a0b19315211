"""Whatever the registry holds, nobody gets traffic who must not have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rung.control._routing import Endpoint, is_served, routing
from rung.lifecycle import State
from rung.registry import Experiment, Revision
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


@st.composite
def registries(draw: st.DrawFn) -> tuple[list[Revision], list[Experiment]]:
    """At most one incumbent, as the registry guarantees; everything else at random."""
    others = st.sampled_from([state for state in State if state is not State.INCUMBENT])
    states = draw(st.lists(others, min_size=1, max_size=6))
    if draw(st.booleans()):
        states[draw(st.integers(0, len(states) - 1))] = State.INCUMBENT
    revisions = [revision(minor, state, warm=draw(st.booleans())) for minor, state in enumerate(states)]
    names = st.sampled_from([found.name for found in revisions])
    experiments = [
        Experiment(
            id=f"e{number}",
            promotion=number,
            incumbent=draw(names),
            challenger=draw(names),
            design={"share": 0.5},
            started=NOW,
            ended=None,
            look=None,
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    return revisions, experiments


@given(registries())
def test_only_served_revisions_are_routed(found: tuple[list[Revision], list[Experiment]]):
    revisions, experiments = found
    served = {
        str(one.name): Endpoint(address=f"unix:/s/{one.name}", timeout_s=5, unit_header="x-unit-id")
        for one in revisions
        if is_served(one, NOW)
    }
    states = {str(one.name): one.state for one in revisions}

    made = routing(revisions, experiments, served, outcomes="unix:/s/collector")

    for backend in made.backends:
        assert states[backend.revision] not in {State.TORN_DOWN, State.FAILED, State.TRAINED, State.DEPLOYING}
    for production in made.productions:
        assert production.incumbent is None or states[production.incumbent] is State.INCUMBENT
        if production.split is not None:
            assert states[production.split.challenger] is State.EXPERIMENTING
            assert production.incumbent is not None


@given(registries())
def test_an_incumbent_with_a_server_answers_production(found: tuple[list[Revision], list[Experiment]]):
    revisions, experiments = found
    endpoints = {
        str(one.name): Endpoint(address=f"unix:/s/{one.name}", timeout_s=5, unit_header="x-unit-id")
        for one in revisions
        if is_served(one, NOW)
    }

    made = routing(revisions, experiments, endpoints, outcomes="unix:/s/collector")

    incumbents = [str(one.name) for one in revisions if one.state is State.INCUMBENT]
    assert [production.incumbent for production in made.productions if production.incumbent] == incumbents
