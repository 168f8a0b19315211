"""The guided path: what is next, for whatever is known of a service."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.lifecycle import State
from rung.practice import PathFacts, RevisionFacts, SignOff, Standing, WorkspaceFacts, steps

UNSIGNED = SignOff(is_complete=False, because="not signed", next="rung spec sign housing --as product")
SIGNED = SignOff(is_complete=True, because="signed by two")
READY = WorkspaceFacts(
    metrics=1, has_document=True, is_changed=True, is_committed=True, is_trained=True, is_checked=True
)
BENCHMARK = RevisionFacts(minor=0, state=State.CANDIDATE)


def facts(*revisions: RevisionFacts, **changes: object) -> PathFacts:
    seen = {"workspace": READY, "signatures": SIGNED, "review": SIGNED}
    return PathFacts(service="housing", revisions=revisions, **{**seen, **changes})  # type: ignore[arg-type]


def at(minor: int, state: State, because: str = "") -> RevisionFacts:
    return RevisionFacts(minor=minor, state=state, because=because)


def seen(**changes: object) -> WorkspaceFacts:
    return replace(READY, **changes)


BEGUN = (BENCHMARK, at(1, State.INCUMBENT))
NEXT = {
    "specification is wrong": (
        facts(workspace=seen(specification="specification.md is not there")),
        ("specification", "current", "rung spec check housing"),
    ),
    "unsigned, and that is required": (
        facts(signatures=UNSIGNED, is_required=True),
        ("signatures", "current", "rung spec sign housing --as product"),
    ),
    "unsigned, and that is noted": (
        facts(signatures=UNSIGNED, review=UNSIGNED, workspace=seen(is_trained=False)),
        ("benchmark", "current", "rung train housing"),
    ),
    "schema is missing": (
        facts(workspace=seen(missing=("schema/request.py",))),
        ("schema", "current", "rung check housing"),
    ),
    "no metrics": (facts(workspace=seen(metrics=0)), ("metrics", "current", "rung check housing")),
    "benchmark not committed": (
        facts(workspace=seen(is_committed=False)),
        ("benchmark_training", "current", "git add -A && git commit && rung deploy training housing"),
    ),
    "benchmark trained here": (facts(), ("benchmark_training", "current", "rung deploy training housing")),
    "benchmark trains": (facts(at(0, State.TRAINING)), ("benchmark_training", "waiting", "")),
    "benchmark failed": (
        facts(at(0, State.FAILED, "it broke")),
        ("benchmark_training", "current", "rung deploy training housing"),
    ),
    "benchmark trained": (
        facts(at(0, State.TRAINED)),
        ("benchmark_serving", "current", "rung deploy serving housing.v1.m0"),
    ),
    "benchmark torn down": (
        facts(at(0, State.TORN_DOWN)),
        ("benchmark_serving", "current", "rung revive housing.v1.m0"),
    ),
    "benchmark served, no document": (
        facts(BENCHMARK, workspace=seen(has_document=False)),
        ("document", "current", "rung doc new housing"),
    ),
    "document, no code": (facts(BENCHMARK, workspace=seen(is_changed=False)), ("code", "current", "git diff")),
    "code, not trained": (
        facts(BENCHMARK, workspace=seen(is_trained=False)),
        ("train", "current", "rung train housing"),
    ),
    "trained, not checked": (facts(BENCHMARK, workspace=seen(is_checked=False)), ("check", "current", "rung check")),
    "ready for the first": (facts(BENCHMARK), ("deploy_training", "current", "rung deploy training housing")),
    "first trained": (
        facts(BENCHMARK, at(1, State.TRAINED)),
        ("deploy_serving", "current", "rung deploy serving housing.v1.m1"),
    ),
    "first is candidate": (
        facts(BENCHMARK, at(1, State.CANDIDATE)),
        ("promote", "current", "rung promote housing.v1.m1"),
    ),
    "first is tested": (facts(BENCHMARK, at(1, State.TESTING)), ("promote", "waiting", "rung promote housing.v1.m1")),
    "first was rejected": (
        facts(BENCHMARK, at(1, State.TORN_DOWN)),
        ("deploy_training", "current", "rung deploy training housing"),
    ),
    "nothing new after the first": (
        facts(*BEGUN, workspace=seen(has_document=False, is_changed=False)),
        ("document", "current", "rung doc new housing"),
    ),
    "second ready": (facts(*BEGUN), ("deploy_training", "current", "rung deploy training housing")),
    "second unsigned, and that is required": (
        facts(*BEGUN, at(2, State.CANDIDATE), signatures=UNSIGNED, is_required=True),
        ("signatures", "current", "rung spec sign housing --as product"),
    ),
    "second waits for approval": (
        facts(*BEGUN, at(2, State.AWAITING_APPROVAL)),
        ("promote", "current", "rung approve housing.v1.m2"),
    ),
    "second on hold": (
        facts(*BEGUN, at(2, State.ON_HOLD), on_hold="sold has no data"),
        ("promote", "current", "rung metrics requests housing"),
    ),
    "second mirrored": (facts(*BEGUN, at(2, State.SHADOWING)), ("ab_test", "waiting", "rung ab watch housing.v1")),
    "second in its A/B test": (
        facts(*BEGUN, at(2, State.EXPERIMENTING)),
        ("ab_test", "waiting", "rung ab watch housing.v1"),
    ),
    "nobody looked": (
        PathFacts(service="housing", revisions=BEGUN),
        ("deploy_training", "current", "rung deploy training housing"),
    ),
}


@pytest.mark.parametrize(("known", "wanted"), NEXT.values(), ids=NEXT.keys())
def test_next_step_is_named(known: PathFacts, wanted: tuple[str, str, str]):
    step = steps(known).current
    assert step is not None
    key, standing, command = wanted
    assert (step.key, step.standing) == (key, standing)
    assert step.command.startswith(command) if command else step.command == ""


def test_paths_differ_and_then_join():
    new, next_ = (steps(known) for known in (facts(BENCHMARK), facts(*BEGUN)))
    assert (new.kind, next_.kind) == ("new_service", "new_revision")
    keys, others = ([step.key for step in path.steps] for path in (new, next_))
    assert keys[:3] == ["specification", "signatures", "schema"]
    assert others[:4] == ["document", "code", "train", "check"] == keys[8:12]
    assert "benchmark_serving" in keys
    assert "benchmark_serving" not in others
    assert "ab_test" in others
    assert "ab_test" not in keys
    assert [keys[-1], others[-1]] == ["incumbent", "incumbent"]


def test_first_revision_is_told_what_it_has_to_beat():
    path = steps(facts(BENCHMARK, at(1, State.CANDIDATE), benchmark_scores="r2 0.1"))
    assert path.current is not None
    assert path.current.because == "housing.v1.m0 has r2 0.1"


def test_hold_says_why():
    path = steps(facts(*BEGUN, at(2, State.ON_HOLD), on_hold="sold has no data"))
    assert path.current is not None
    assert path.current.because == "on hold: sold has no data"
    assert path.to_json()["on_hold"] == "sold has no data"


_REVISIONS = st.lists(st.sampled_from(State), max_size=6).map(
    lambda found: tuple(RevisionFacts(minor=minor, state=state) for minor, state in enumerate(found))
)
_OFFS = st.sampled_from([None, SIGNED, UNSIGNED])


@given(
    revisions=_REVISIONS,
    signatures=_OFFS,
    review=_OFFS,
    is_required=st.booleans(),
    workspace=st.none()
    | st.builds(WorkspaceFacts, metrics=st.integers(0, 2), specification=st.sampled_from(["", "wrong"])),
)
def test_every_service_has_exactly_one_next_step(**known: object):
    path = steps(PathFacts(service="housing", **known))  # type: ignore[arg-type]
    now = [step for step in path.steps if step.standing in {Standing.CURRENT, Standing.WAITING}]
    assert len(now) == 1
    before = path.steps[: path.steps.index(now[0])]
    assert {step.standing for step in before} <= {Standing.DONE, Standing.NOTED, Standing.UNKNOWN}
    assert json.loads(json.dumps(path.to_json()))["current"] == now[0].key
    assert len({step.key for step in path.steps}) == len(path.steps)
