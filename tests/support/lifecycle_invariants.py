"""What must be so in every registry at every moment: the invariants of `docs/lifecycle.md`, each a function.

Each takes what a registry holds, and raises `AssertionError` with the sentence that it breaks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rung.gateway.assignment import BUCKETS
from rung.lifecycle import MIRRORED, MOVES, Gate, State, VerdictKind
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.gateway import Routing
    from rung.registry import Event, Experiment, Promotion, Registry, Revision, Shadow

_STATES = frozenset(State)
PROMOTED = {State.TESTING, *MOVES[State.TESTING]} - {State.INCUMBENT, State.TORN_DOWN}
"""States of a revision whose attempt goes on."""
_BEFORE_TRAFFIC = frozenset({Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD})
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that a registry holds at a moment."""

    revisions: Sequence[Revision]
    promotions: Sequence[Promotion]
    experiments: Sequence[Experiment]
    shadows: Sequence[Shadow]
    events: Sequence[Event]

    @classmethod
    def by(cls, registry: Registry) -> Self:
        """Read it."""
        return cls(
            revisions=registry.revisions(),
            promotions=registry.promotions(),
            experiments=registry.experiments(),
            shadows=registry.shadows(),
            events=registry.events(limit=1_000_000),
        )

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each revision, as the table has it."""
        return {str(one.name): one.state for one in self.revisions}

    @property
    def moves(self) -> Sequence[tuple[str, State]]:
        """What moved to which state, in order, as the log has it."""
        return [(event.subject, State(event.kind)) for event in self.events if event.kind in _STATES]


def one_incumbent_per_major(held: Held) -> None:
    """At most one incumbent per major, and exactly one after bootstrap."""
    now = Counter(one.name.major_name for one in held.revisions if one.state is State.INCUMBENT)
    begun = {RevisionName.parse(name).major_name for name, state in held.moves if state is State.INCUMBENT}
    assert now == dict.fromkeys(begun, 1), f"incumbents by major: {dict(now)}, and {begun} have had one"


def shares_sum_to_the_whole(held: Held) -> None:
    """Traffic shares sum to 100 %."""
    for experiment in held.experiments:
        for split in experiment.splits:
            assert abs(sum(split.shares.values()) - 1) < _ROUNDING, f"{experiment.id}: {split.shares}"
            assert min(split.shares.values()) >= 0, f"{experiment.id}: {split.shares}"


def only_passed_gates_lead_to_production(held: Held) -> None:
    """A revision with a failed gate never gets production traffic."""
    for name, state in held.states.items():
        if state in (State.EXPERIMENTING, State.INCUMBENT):
            attempts = [one for one in held.promotions if str(one.revision) == name]
            wanted = attempts[-1:] if state is State.EXPERIMENTING else [a for a in attempts if a.outcome == "promoted"]
            assert any(_has_passed(one) for one in wanted), f"{name} is {state} without its gates: {attempts}"


def _has_passed(attempt: Promotion) -> bool:
    kinds = {verdict.gate: verdict.kind for verdict in attempt.verdicts if verdict.gate is not Gate.EXPERIMENT}
    asked = {Gate.APPROVAL} if (attempt.policy or {}).get("promotion") == "approve" else set()
    return kinds.keys() >= _BEFORE_TRAFFIC | asked and set(kinds.values()) == {VerdictKind.PASS}


def every_state_follows_from_the_log(held: Held) -> None:
    """Every transition is in the log, and is one of the table's: replaying the log gives the states."""
    found: dict[str, State] = {}
    for name, state in held.moves:
        assert (state in MOVES[found[name]]) if name in found else state is State.TRAINING, (
            f"{name} went from {found.get(name)} to {state}"
        )
        found[name] = state
    assert found == held.states


def every_attempt_is_of_a_revision_in_promotion(held: Held) -> None:
    """One attempt at most of a revision is under way, and exactly while the revision is being promoted."""
    running = Counter(str(one.revision) for one in _open(held))
    promoted = [name for name, state in held.states.items() if state in PROMOTED]
    assert running == dict.fromkeys(promoted, 1), f"attempts {dict(running)}, revisions {promoted}"


def of_two_promotions_one_wins(held: Held) -> None:
    """Of two operators promoting at once, one wins and the other is told; only a bandit has several arms."""
    for major, attempts in _by_major(_open(held)).items():
        assert len(attempts) == 1 or all(one.joint for one in attempts), f"{major}: {attempts}"


def _by_major(attempts: Sequence[Promotion]) -> Mapping[str, list[Promotion]]:
    found: dict[str, list[Promotion]] = defaultdict(list)
    for one in attempts:
        found[one.revision.major_name].append(one)
    return found


def experiments_are_against_the_incumbent(held: Held) -> None:
    """The incumbent stays: a running A/B test is against it, and its arms are the revisions that are being tried."""
    states = held.states
    running, open_ = [one for one in held.experiments if one.ended is None], _open(held)
    trying = {name for name, state in states.items() if state is State.EXPERIMENTING}
    arms = {str(one.revision) for one in open_ for test in held.experiments if one.id in test.attempts}
    for experiment in running:
        assert states[str(experiment.incumbent)] is State.INCUMBENT, f"{experiment.id}: {states}"
        assert any(one.id in experiment.attempts for one in open_), f"{experiment.id} goes on without an arm"
    assert trying == arms, f"{trying} are being tried, and {arms} are arms"


def _open(held: Held) -> Sequence[Promotion]:
    return [one for one in held.promotions if one.ended is None]


def shadows_answer_nobody(held: Held) -> None:
    """Only candidates are mirrored to, and each once."""
    mirrored = Counter(str(one.revision) for one in held.shadows if one.ended is None)
    assert not mirrored or max(mirrored.values()) == 1, mirrored
    assert all(held.states[name] in MIRRORED for name in mirrored), f"{mirrored}: {held.states}"


def a_pause_lasts_until_somebody_ends_it(held: Held) -> None:
    """What an operator has paused gets no units before an operator resumes it."""
    for experiment in held.experiments:
        is_paused = False
        for split in experiment.splits:
            is_paused = (is_paused or split.kind == "pause") and split.kind != "resume"
            others = sum(share for name, share in split.shares.items() if name != str(experiment.incumbent))
            assert not is_paused or others == 0, f"{experiment.id}: {[(s.kind, s.shares) for s in experiment.splits]}"


def the_share_of_a_test_never_shrinks(held: Held) -> None:
    """Same unit, same arm for the life of an A/B test: but for pauses, its challenger's share only ever grows."""
    for experiment in held.experiments:
        if not experiment.is_bandit:
            taken = [split.shares[str(experiment.challenger)] for split in experiment.splits if not split.is_pause]
            assert taken == sorted(taken), f"{experiment.id}: {taken}"


REGISTRY: Sequence[Callable[[Held], None]] = (
    one_incumbent_per_major,
    shares_sum_to_the_whole,
    only_passed_gates_lead_to_production,
    every_state_follows_from_the_log,
    every_attempt_is_of_a_revision_in_promotion,
    of_two_promotions_one_wins,
    experiments_are_against_the_incumbent,
    shadows_answer_nobody,
    a_pause_lasts_until_somebody_ends_it,
    the_share_of_a_test_never_shrinks,
)
"""Of what a registry holds."""


def routes_only_what_may_answer(held: Held, routing: Routing) -> None:
    """A torn-down revision never gets a request, and production goes to the incumbent and to those being tried."""
    states = held.states
    for backend in routing.backends:
        assert states[backend.revision] not in (State.TORN_DOWN, State.FAILED, State.TRAINED, State.TRAINING), backend
    for production in routing.productions:
        answering = {states[name] for name in production.answering}
        assert answering <= {State.INCUMBENT, State.EXPERIMENTING}, f"{production.name}: {production.answering}"
        assert all(states[shadow.revision] in MIRRORED for shadow in production.shadows), production


def every_bucket_has_a_server(held: Held, routing: Routing) -> None:
    """Traffic shares sum to 100 %: every bucket of every split belongs to a revision with an endpoint."""
    served = {backend.revision for backend in routing.backends}
    incumbents = {one.name.major_name for one in held.revisions if one.state is State.INCUMBENT}
    for production in routing.productions:
        assert (production.incumbent is not None) == (production.name in incumbents), production
        assert set(production.answering) <= served, production
        if production.split is not None:
            assert sum(production.split.weights) == BUCKETS, production.split


ROUTING: Sequence[Callable[[Held, Routing], None]] = (routes_only_what_may_answer, every_bucket_has_a_server)
"""Of the routing that is computed from a registry."""


def check(held: Held, routing: Routing | None = None) -> None:
    """Hold a registry, and the routing that follows from it, against every invariant."""
    for holds in REGISTRY:
        holds(held)
    for routes in ROUTING if routing is not None else ():
        routes(held, routing)


def only_grew(before: Sequence[Event], after: Sequence[Event]) -> None:
    """The log is append-only."""
    assert list(after[: len(before)]) == list(before)
    ids = [event.id for event in after]
    assert ids == sorted(set(ids))
