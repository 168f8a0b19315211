"""The guided path: on which step a service is, what comes next, and the command to type.

A new service comes from its specification to a benchmark that is served; a new revision begins with its document and
comes to code that is trained and checked. Then both go on alike: deployed in two stages, promoted, decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.lifecycle import State
from rung.practice._step import Path, Standing, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rung.practice._sign_off import SignOff
    from rung.practice._step import PathFacts, RevisionFacts

_PAST_TRAINING = frozenset(State) - {State.TRAINING, State.FAILED}
_PAST_SERVING = _PAST_TRAINING - {State.TRAINED, State.DEPLOYING}
_PAST_GATES = frozenset({State.SHADOWING, State.EXPERIMENTING, State.INCUMBENT, State.RETIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A step before it is known which one is current."""

    key: str
    title: str
    is_done: bool | None
    """None: nobody looked."""
    command: str = ""
    because: str = ""
    waits: bool = False
    """It is being done."""
    holds_up: bool = True
    """What comes after waits for it."""


def steps(facts: PathFacts) -> Path:
    """Lay out the path of a service, and say where on it the service is."""
    asked: list[_Asked] = []
    if not facts.has_served:
        asked += [*_begin(facts), *_benchmark(facts)]
    asked += [*_prepare(facts), *_deploy(facts), *_decide(facts)]
    return Path(
        service=facts.service,
        kind="new_revision" if facts.has_served else "new_service",
        revision=facts.name(facts.minor),
        steps=tuple(_placed(asked)),
        on_hold=facts.on_hold,
    )


def _placed(asked: Sequence[_Asked]) -> Iterator[Step]:
    """Find the first step that is not done and holds up the others: this one is current."""
    is_found = False
    for one in asked:
        standing = Standing.TODO
        if one.is_done:
            standing = Standing.DONE
        elif one.is_done is None:
            standing = Standing.UNKNOWN
        elif not one.holds_up:
            standing = Standing.NOTED
        elif not is_found:
            is_found, standing = True, Standing.WAITING if one.waits else Standing.CURRENT
        yield Step(key=one.key, title=one.title, standing=standing, because=one.because, command=one.command)


def _begin(facts: PathFacts) -> Iterator[_Asked]:
    """From nothing to what is promised."""
    service, seen = facts.service, facts.workspace
    wrong = None if seen is None else seen.specification
    yield _Asked(
        key="specification",
        title="write the specification",
        is_done=None if wrong is None else not wrong,
        because=wrong or "",
        command=f"rung spec check {service}",
    )
    yield _signed("signatures", "have both owners sign it", facts.signatures, facts)
    missing = () if seen is None else seen.missing
    yield _Asked(
        key="schema",
        title="write the schema",
        is_done=None if seen is None else not missing,
        because=f"missing: {', '.join(missing)}" if missing else "",
        command=f"rung check {service}",
    )
    yield _Asked(
        key="metrics",
        title="declare business metrics",
        is_done=None if seen is None else seen.metrics > 0,
        because="schema/service.py declares none" if seen is not None and not seen.metrics else "",
        command=f"rung check {service}",
    )
    yield _signed("review", "have a second person review the metrics", facts.review, facts)


def _benchmark(facts: PathFacts) -> Iterator[_Asked]:
    """What doing nothing would achieve: trained and served before anything better."""
    service, name, found, seen = facts.service, facts.name(0), facts.benchmark, facts.workspace
    yield _Asked(
        key="benchmark",
        title="train the benchmark here",
        is_done=True if found is not None else None if seen is None else seen.is_trained,
        command=f"rung train {service}",
    )
    state = None if found is None else found.state
    yield _Asked(
        key="benchmark_training",
        title=f"deploy the training of the benchmark, {name}",
        is_done=state in _PAST_TRAINING,
        command="" if state is State.TRAINING else _deploy_training(facts),
        because="" if found is None or state in _PAST_TRAINING else found.because,
        waits=state is State.TRAINING,
    )
    yield _Asked(
        key="benchmark_serving",
        title=f"serve the benchmark first, {name}",
        is_done=state in _PAST_SERVING and state is not State.TORN_DOWN,
        command=f"rung revive {name}" if state is State.TORN_DOWN else f"rung deploy serving {name}",
        because="" if found is None else found.because,
        waits=state is State.DEPLOYING,
    )


def _prepare(facts: PathFacts) -> Iterator[_Asked]:
    """From an idea to code that may be deployed."""
    service, seen, is_past = facts.service, facts.workspace, facts.underway is not None
    is_begun = facts.benchmark is not None or facts.has_served

    def known(is_so: bool | None) -> bool | None:  # noqa: FBT001  what was seen
        """Tell it of the next revision: before there is a benchmark, all that lies here is the benchmark's."""
        return True if is_past else is_so if is_begun else False

    document = f"experiments/{service}/experiments/v{facts.major}.m{facts.minor}.md"
    yield _Asked(
        key="document",
        title="write down what is tried, and why",
        is_done=known(None if seen is None else seen.has_document),
        because=document,
        command=f"rung doc new {service}",
    )
    yield _Asked(
        key="code",
        title="change the code",
        is_done=known(None if seen is None else seen.is_changed),
        because="" if seen is None or seen.is_changed else "it is still that of the last revision",
        command=f"git diff --stat -- experiments/{service}",
    )
    yield _Asked(
        key="train",
        title="train it here",
        is_done=known(None if seen is None else seen.is_changed and seen.is_trained),
        command=f"rung train {service}",
    )
    yield _Asked(
        key="check",
        title="check it",
        is_done=known(None if seen is None else seen.is_checked),
        command=f"rung check {service}",
    )


def _deploy(facts: PathFacts) -> Iterator[_Asked]:
    """The two stages, with a look between them."""
    now, name = facts.underway, facts.name(facts.minor)
    state = None if now is None else now.state
    yield _Asked(
        key="deploy_training",
        title=f"deploy the training of {name}",
        is_done=state in _PAST_TRAINING,
        command="" if state is State.TRAINING else _deploy_training(facts),
        because=now.because if now is not None and state is State.TRAINING else "",
        waits=state is State.TRAINING,
    )
    yield _Asked(
        key="deploy_serving",
        title=f"serve {name} without production traffic",
        is_done=state in _PAST_SERVING,
        command="" if state is State.DEPLOYING else f"rung deploy serving {name}",
        because=now.because if now is not None and state is State.DEPLOYING else "",
        waits=state is State.DEPLOYING,
    )


def _decide(facts: PathFacts) -> Iterator[_Asked]:
    """Evidence decides: gates, and where there is an incumbent an A/B test."""
    now, name = facts.underway, facts.name(facts.minor)
    state = None if now is None else now.state
    if facts.has_served:
        yield _signed("signatures", "have both owners sign the specification", facts.signatures, facts)
        yield _signed("review", "have a second person review the metrics", facts.review, facts)
    yield _Asked(
        key="promote",
        title=f"promote {name}" + ("" if facts.has_served else ", against the benchmark"),
        is_done=state in _PAST_GATES,
        command=_promote(facts, state),
        because=_why_it_waits(facts, now),
        waits=state is State.TESTING,
    )
    if facts.has_served:
        yield _Asked(
            key="ab_test",
            title="let the A/B test decide",
            is_done=False,
            because="" if now is None else now.because,
            command=f"rung ab watch {facts.service}.v{facts.major}",
            waits=state in {State.SHADOWING, State.EXPERIMENTING},
        )
    yield _Asked(key="incumbent", title=f"{name} answers production", is_done=False)


def _promote(facts: PathFacts, state: State | None) -> str:
    name = facts.name(facts.minor)
    match state:
        case State.ON_HOLD:
            return f"rung metrics requests {facts.service}"
        case State.AWAITING_APPROVAL:
            return f"rung approve {name} --because '...'"
        case _:
            return f"rung promote {name}"


def _why_it_waits(facts: PathFacts, now: RevisionFacts | None) -> str:
    if now is None:
        return f"on hold: {facts.on_hold}" if facts.on_hold else ""
    if now.state is State.ON_HOLD:
        return f"on hold: {facts.on_hold or now.because}"
    if now.state is State.CANDIDATE and not facts.has_served and facts.benchmark_scores:
        return f"{facts.name(0)} has {facts.benchmark_scores}"
    return now.because if now.state in {State.TESTING, State.AWAITING_APPROVAL} else ""


def _signed(key: str, title: str, found: SignOff | None, facts: PathFacts) -> _Asked:
    return _Asked(
        key=key,
        title=title,
        is_done=None if found is None else found.is_complete,
        because="" if found is None else found.because,
        command="" if found is None else found.next,
        holds_up=facts.is_required,
    )


def _deploy_training(facts: PathFacts) -> str:
    command = f"rung deploy training {facts.service}"
    is_loose = facts.workspace is not None and not facts.workspace.is_committed
    return f"git add -A && git commit && {command}" if is_loose else command
