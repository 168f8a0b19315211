"""What differs between two versions of a service: code, schema, settings, data, results, decision. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rung.reviews._compare import Change, Metric, data_test_changes, differing, schema_changes
from rung.schema import Contract, breaking_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.reviews._code import FileChange

_PLAIN: Final = (
    "hyperparameters",
    "overrides",
    "code of tasks",
    "requirements",
    "packages",
    "infrastructure",
    "service levels",
    "A/B test",
    "data",
    "artifacts",
    "failed tests",
    "run",
    "decision",
)
"""Parts that are names and values, in the order in which they are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What is known of a revision, a run or the working tree."""

    name: str
    parts: Mapping[str, Mapping[str, Any]]
    """Names and values by what they are of, as `hyperparameters`; a part that is not there is not known."""
    contract: Mapping[str, Any] | None = None
    """None: not known."""
    notes: tuple[str, ...] = ()
    """Why something is not known, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two versions of one service."""

    before: str
    after: str
    schema: str
    """One sentence; "" where the schema of one is not known."""
    breaks: bool
    """A consumer of the first may notice the second."""
    code: tuple[FileChange, ...] | None
    """None: the code of one is not known."""
    changes: tuple[Change, ...]
    metrics: tuple[Metric, ...]
    same: tuple[str, ...]
    """Parts in which they do not differ."""
    notes: tuple[str, ...] = field(default=())
    """What could not be compared, in sentences."""


def differ(before: Version, after: Version, code: tuple[FileChange, ...] | None) -> Difference:
    """Compare two versions.

    Args:
        before: One.
        after: The other.
        code: The files that differ; None: not known.
    """
    schema, breaks = _schema(before, after)
    changes = tuple(_changes(before, after))
    metrics = tuple(_metrics(before, after))
    told = {change.kind for change in changes} | ({"metrics"} if metrics else set()) | ({"code"} if code else set())
    compared = [] if code is None else ["code"]
    compared += ["schema"] if schema else []
    compared += [kind for kind in ("data tests", *_PLAIN, "metrics") if kind in before.parts and kind in after.parts]
    return Difference(
        before=before.name,
        after=after.name,
        schema=schema,
        breaks=breaks,
        code=code,
        changes=changes,
        metrics=metrics,
        same=tuple(kind for kind in compared if kind not in told),
        notes=(*before.notes, *after.notes, *_one_sided(before, after), *_one_sided(after, before)),
    )


def _schema(before: Version, after: Version) -> tuple[str, bool]:
    """Say what the change of the schema means for consumers."""
    if before.contract is None or after.contract is None:
        return "", False
    old, new = Contract.from_json(dict(before.contract)), Contract.from_json(dict(after.contract))
    opens = "" if old.major == new.major else f"; v{new.major} is another major than v{old.major}"
    if breaking_changes(old, new):
        return f"breaking: who relies on {before.name} cannot rely on {after.name}{opens}", True
    if old.routes == new.routes:
        return f"the same{opens}", False
    return f"compatible: who relies on {before.name} can rely on {after.name}{opens}", False


def _changes(before: Version, after: Version) -> Iterator[Change]:
    if before.contract is not None and after.contract is not None:
        yield from schema_changes(Contract.from_json(dict(before.contract)), Contract.from_json(dict(after.contract)))
    if "data tests" in before.parts and "data tests" in after.parts:
        yield from data_test_changes(before.parts, after.parts)
    for kind in _PLAIN:
        if kind in before.parts and kind in after.parts:
            for name, one, other in differing(before.parts[kind], after.parts[kind]):
                yield Change(kind=kind, what=name, before=one, after=other)


def _metrics(before: Version, after: Version) -> Iterator[Metric]:
    if "metrics" not in before.parts or "metrics" not in after.parts:
        return
    old, new = before.parts["metrics"], after.parts["metrics"]
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Metric(name=name, before=old.get(name), after=new.get(name))


def _one_sided(one: Version, other: Version) -> Iterator[str]:
    """Say what is known of one alone."""
    known = [kind for kind in ("data tests", *_PLAIN, "metrics") if kind in one.parts and kind not in other.parts]
    if known:
        yield f"known of {one.name} alone: {', '.join(known)}"
