"""The seven questions of a specification, each answered by a named test or a figure.

An answer is `shown` when a figure or a passed test bears it out, `named` when a test will, `open` when nothing does,
and `refuted` when the evidence speaks against it. Nobody writes answers by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.practice._declared import DeclaredTests
    from rung.schema import Consumer, Contract, Specification

QUESTIONS = (
    "Does the algorithm meet the latency SLA?",
    "Does it meet the throughput SLA?",
    "Do data and regression tests reflect the expected requests?",
    "Do the serving tests cover the edge cases?",
    "Do the load tests reflect the SLAs?",
    "Does the prediction's schema carry all that consumers need?",
    "Can consumers use it without further transformation?",
)
_LISTED = 6  # names in a sentence


class AnswerKind(StrEnum):
    """How far a question is answered."""

    SHOWN = "shown"
    NAMED = "named"
    OPEN = "open"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question, and what answers it."""

    number: int
    """1 to 7."""
    standing: AnswerKind
    because: str
    """One sentence, with the figure."""
    by: tuple[str, ...] = ()
    """Tests, stages, levels and fields that answer it."""
    next: str = ""
    """What to do, where it is open or refuted; or what bears it out."""

    @property
    def question(self) -> str:
        """The question itself."""
        return QUESTIONS[self.number - 1]

    @property
    def is_answered(self) -> bool:
        """A test or a figure stands behind it."""
        return self.standing in {AnswerKind.SHOWN, AnswerKind.NAMED}

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "number": self.number,
            "question": self.question,
            "standing": self.standing,
            "because": self.because,
            "by": list(self.by),
            "next": self.next,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A figure of a revision."""

    revision: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The newest load test of a revision."""

    revision: str
    passed: bool
    because: str
    latency_p99_ms: float | None
    throughput_rps: float | None
    latency_limit_ms: float
    throughput_limit_rps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFacts:
    """All that the questions are answered from."""

    service: str
    specification: Specification
    tests: DeclaredTests
    fields: Mapping[str, Mapping[str, str]] | None = None
    """Fields of a prediction by route, each with its description; None while the schema was not read."""
    scores: Mapping[str, Scored] = field(default_factory=dict)
    """Newest score of each data test."""
    passed: frozenset[str] | None = None
    """Serving tests that passed on just this code; None: they have not run on it."""
    failed: frozenset[str] = frozenset()
    """Serving tests that did not."""
    load: Loaded | None = None
    replay: str | None = None
    """What the newest replay of recorded requests found, where it passed and there were any."""


def fields_of(contract: Contract) -> dict[str, dict[str, str]]:
    """Give the fields of a prediction by route, each with what it is described as; "" where it is not."""
    return {
        name: {
            field: str(schema.get("description", ""))
            for field, schema in route.prediction.get("properties", {}).items()
        }
        for name, route in contract.routes.items()
    }


def answers(facts: QuestionFacts) -> tuple[Answer, ...]:
    """Answer all seven, in their order."""
    return (
        _latency(facts),
        _throughput(facts),
        _expected_requests(facts),
        _edge_cases(facts),
        _load_tests(facts),
        _complete(facts),
        _as_it_is(facts),
    )


def summary(found: Sequence[Answer]) -> str:
    """Say in a sentence how many are answered, and which are not."""
    shown = sum(one.standing is AnswerKind.SHOWN for one in found)
    named = sum(one.standing is AnswerKind.NAMED for one in found)
    told = f"{shown + named} of {len(found)} questions are answered, {shown} of them borne out"
    left = [f"{one.number} is {one.standing}: {one.because}" for one in found if not one.is_answered]
    return "; ".join([told, *left])


def _latency(facts: QuestionFacts) -> Answer:
    level = facts.specification.latency_p99_ms
    by = (f"latency_p99_ms = {level:g}", *_stages(facts))
    if facts.tests.load is None:
        return _without_load(1, by)
    if facts.load is None or facts.load.latency_p99_ms is None:
        told = f"the load test judges it by {level:g} ms, and has not run on a revision yet"
        return Answer(number=1, standing=AnswerKind.NAMED, because=told, by=by, next=_run_it(facts))
    figure, name = facts.load.latency_p99_ms, facts.load.revision
    return _held(
        1, figure <= level, f"{figure:.0f} ms at the 99th percentile in the load test of {name}, {level:g} ms may", by
    )


def _throughput(facts: QuestionFacts) -> Answer:
    level = facts.specification.throughput_rps
    by = (f"throughput_rps = {level:g}", *_stages(facts))
    if facts.tests.load is None:
        return _without_load(2, by)
    if facts.load is None or facts.load.throughput_rps is None:
        told = f"the load test sends {level:g} requests a second, and has not run on a revision yet"
        return Answer(number=2, standing=AnswerKind.NAMED, because=told, by=by, next=_run_it(facts))
    figure, name = facts.load.throughput_rps, facts.load.revision
    told = f"{figure:.1f} requests a second were answered in the load test of {name}, {level:g} are promised"
    return _held(2, figure >= 0.95 * level, told, by)  # as the load gate judges it


def _expected_requests(facts: QuestionFacts) -> Answer:
    declared, known = facts.specification.accuracy, facts.tests
    by = (*(str(one) for one in declared), *known.regression)
    if not known.regression or not known.data:
        told = f"{len(known.data)} data tests and {len(known.regression)} regression tests"
        return _open(3, told, by, "write at least one of each, of requests as consumers send them")
    if not declared:
        told = "the specification does not say how right it must be"
        return _open(3, told, known.regression, f"add [[accuracy]] with a data test: {_some(known.data)}")
    if unknown := [one.test for one in declared if one.test not in known.data]:
        return _open(3, f"tests/data.py has no {_some(unknown)}", by, f"it has {_some(known.data)}")
    scored = {one: facts.scores[one.test] for one in declared if one.test in facts.scores}
    figures = ", ".join(f"{one.test} {found.value:.4g} of {found.revision}" for one, found in scored.items())
    if wrong := [str(one) for one, found in scored.items() if not one.holds(found.value)]:
        return Answer(
            number=3,
            standing=AnswerKind.REFUTED,
            because=f"needed is {_some(wrong)}, and found was {figures}",
            by=by,
            next="a better model, or another promise, which both owners sign",
        )
    replayed = f"; {facts.replay}" if facts.replay else ""
    if len(scored) == len(declared):
        return Answer(number=3, standing=AnswerKind.SHOWN, because=f"{figures}{replayed}", by=by)
    told = f"{_some([str(one) for one in declared])} on the held-out rows{replayed}"
    return Answer(
        number=3,
        standing=AnswerKind.NAMED,
        because=told,
        by=by,
        next=f"the scores of a deployed model bear it out: rung deploy training {facts.service}",
    )


def _edge_cases(facts: QuestionFacts) -> Answer:
    declared = facts.specification.edge_cases
    by = tuple(dict.fromkeys(one.test for one in declared))
    if not declared:
        return _open(4, "the specification names no edge cases", by, "add [[edge_cases]], each with its serving test")
    if missing := [one.test for one in declared if one.test not in facts.tests.serving]:
        return _open(4, f"tests/serve has no {_some(missing)}", by, "write it, or name the test that covers the case")
    if broken := [test for test in by if test in facts.failed]:
        return Answer(
            number=4,
            standing=AnswerKind.REFUTED,
            because=f"{_some(broken)} did not pass",
            by=by,
            next=f"rung test {facts.service} serving",
        )
    cases = f"{len(declared)} edge cases, {len(by)} serving tests"
    if facts.passed is not None and facts.passed >= set(by):
        return Answer(number=4, standing=AnswerKind.SHOWN, because=f"{cases}, which passed on this code", by=by)
    told = f"{cases}, which have not run on this code"
    return Answer(number=4, standing=AnswerKind.NAMED, because=told, by=by, next=f"rung test {facts.service} serving")


def _load_tests(facts: QuestionFacts) -> Answer:
    load, level = facts.tests.load, facts.specification
    by = (*_stages(facts), f"throughput_rps = {level.throughput_rps:g}")
    if load is None or not load.stages:
        return _without_load(5, by)
    if loose := level.service_level.looser(load.own_limits):
        told = f"the load test is judged by {_some(loose)}"
        todo = "take the limits out of tests/acceptance.py"
        return Answer(number=5, standing=AnswerKind.REFUTED, because=told, by=by, next=todo)
    expected = level.expected_rps
    if expected is None:
        told = "the specification does not say how much is expected"
        return _open(5, told, by, "add requests_per_s to its [[consumers]]")
    if expected > level.throughput_rps:
        told = f"{expected:g} requests a second are expected, and {level.throughput_rps:g} are promised"
        todo = "raise throughput_rps, or expect less"
        return Answer(number=5, standing=AnswerKind.REFUTED, because=told, by=by, next=todo)
    told = f"{len(load.stages)} stages, then {level.throughput_rps:g} requests a second; {expected:g} are expected"
    return _run_by(facts, told, by)


def _run_by(facts: QuestionFacts, told: str, by: tuple[str, ...]) -> Answer:
    """Tell whether the newest load test was judged by the levels as they are now."""
    level, run = facts.specification, facts.load
    if run is None:
        return Answer(number=5, standing=AnswerKind.NAMED, because=told, by=by, next=_run_it(facts))
    if (run.latency_limit_ms, run.throughput_limit_rps) != (level.latency_p99_ms, level.throughput_rps):
        limits = f"{run.latency_limit_ms:g} ms and {run.throughput_limit_rps:g} requests a second"
        because = f"{told}; that of {run.revision} was judged by {limits}"
        return Answer(number=5, standing=AnswerKind.NAMED, because=because, by=by, next=_run_it(facts))
    return Answer(number=5, standing=AnswerKind.SHOWN, because=f"{told}; run on {run.revision}", by=by)


def _complete(facts: QuestionFacts) -> Answer:
    consumers = facts.specification.consumers
    needed = tuple(dict.fromkeys(name for one in consumers for name in one.needs))
    todo = "add needs = [...] to the [[consumers]]"
    if not consumers:
        return _open(6, "the specification names no consumer", needed, todo)
    if silent := [one.name for one in consumers if not one.needs]:
        return _open(6, f"nobody says which fields {_some(silent)} needs", needed, todo)
    if facts.fields is None:
        told = f"consumers need {_some(needed)}"
        return Answer(
            number=6, standing=AnswerKind.NAMED, because=told, by=needed, next=f"rung spec check {facts.service}"
        )
    lacking = [f"{name} for {one.name}" for one in consumers for name in one.needs if not _has(facts.fields, one, name)]
    if lacking:
        told = f"the prediction has no {_some(lacking)}"
        return Answer(
            number=6, standing=AnswerKind.REFUTED, because=told, by=needed, next="add it in schema/response.py"
        )
    return Answer(number=6, standing=AnswerKind.SHOWN, because=f"the prediction has {_some(needed)}", by=needed)


def _as_it_is(facts: QuestionFacts) -> Answer:
    consumers = facts.specification.consumers
    needed = tuple(dict.fromkeys(name for one in consumers for name in one.needs))
    if not needed:
        return _open(7, "nobody says what is done with an answer", needed, "add needs = [...] to the [[consumers]]")
    if work := [f"{one.name} must {one.transforms}" for one in consumers if one.transforms]:
        told = "; ".join(work)
        return Answer(number=7, standing=AnswerKind.REFUTED, because=told, by=needed, next="give that as a field")
    told = "no consumer transforms an answer"
    if facts.fields is None:
        return Answer(
            number=7, standing=AnswerKind.NAMED, because=told, by=needed, next=f"rung spec check {facts.service}"
        )
    described = {name: text for route in facts.fields.values() for name, text in route.items()}
    if bare := [name for name in needed if name in described and not described[name]]:
        told = f"{_some(bare)} has no description: what it means, and its unit, must be guessed"
        return _open(7, told, needed, "add Field(description=...) in schema/response.py")
    means = "; ".join(f"{name}: {described[name]}" for name in needed if name in described)
    return Answer(number=7, standing=AnswerKind.SHOWN, because=f"{told} ({means})" if means else told, by=needed)


def _has(fields: Mapping[str, Mapping[str, str]], consumer: Consumer, name: str) -> bool:
    routes = [consumer.route] if consumer.route else list(fields)
    return bool(routes) and all(name in fields.get(route, {}) for route in routes)


def _stages(facts: QuestionFacts) -> tuple[str, ...]:
    return facts.tests.load.stages if facts.tests.load is not None else ()


def _held(number: int, is_held: bool, because: str, by: tuple[str, ...]) -> Answer:  # noqa: FBT001  what was found
    standing = AnswerKind.SHOWN if is_held else AnswerKind.REFUTED
    return Answer(
        number=number,
        standing=standing,
        because=because,
        by=by,
        next="" if is_held else "`rung why` shows the load test",
    )


def _without_load(number: int, by: tuple[str, ...]) -> Answer:
    return _open(number, "there is no load test", by, "write acceptance_test in tests/acceptance.py")


def _open(number: int, because: str, by: tuple[str, ...], todo: str) -> Answer:
    return Answer(number=number, standing=AnswerKind.OPEN, because=because, by=by, next=todo)


def _run_it(facts: QuestionFacts) -> str:
    return f"a promotion runs it; before that: rung test {facts.service} acceptance --url URL"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
