"""What differs between two versions of a service, and what that takes. Pure: descriptions in, rows out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung.schema import Contract, breaking_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.schema import Break

_SIMPLE: Final = (
    "hyperparameters",
    "tasks",
    "requirements",
    "regression tests",
    "infrastructure",
    "service levels",
    "A/B test",
)
_TITLES: Final = frozenset({"title", "description", "examples"})
_PARTS: Final = ("instance", "parameters", "prediction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs."""

    kind: str
    """`schema`, `hyperparameters`, `requirements`, ..."""
    what: str
    before: str | None
    """None: it was not there."""
    after: str | None
    """None: it is not there any more."""
    breaks: bool = False
    """A consumer may notice it, so that it takes another major."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a training, beside that of the base's."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """All that a reviewer should see of a change to one service."""

    service: str
    base: str
    takes: str
    """One sentence: which major or minor it takes."""
    breaks_promise: bool
    """It breaks what its major promises, and does not open another one."""
    changes: tuple[Change, ...]
    metrics: tuple[Metric, ...] = ()
    trained: str = ""
    """One sentence: of which runs the metrics are."""


def compare(
    service: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    *,
    base: str,
    runs: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None] = (None, None),
) -> Review:
    """Compare two versions of a service.

    Args:
        service: Its name.
        before: As `side.describe` gives it; None: the service is new.
        after: The same, of the working tree.
        base: What it is compared with, as `origin/main`.
        runs: Records of trainings of the two, the one before first.
    """
    takes, breaks_promise = _takes(before, after)
    changes = () if before is None else tuple(_changes(before, after))
    return Review(
        service=service,
        base=base,
        takes=takes,
        breaks_promise=breaks_promise,
        changes=changes,
        metrics=tuple(_metrics(*runs)),
        trained=_trained(*runs),
    )


def _takes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, bool]:
    major = after["contract"]["major"]
    if before is None:
        return f"the service is new: it begins with v{major}.m0, its benchmark", False
    old, new = Contract.from_json(before["contract"]), Contract.from_json(after["contract"])
    broken = breaking_changes(old, new)
    if new.major != old.major:
        return f"it opens v{new.major}; consumers of v{old.major} stay where they are", False
    if broken:
        return f"it breaks what v{old.major} promises: it takes major = {old.major + 1} in schema/service.py", True
    same = before["contract"] == after["contract"]
    return f"the schema is {'the same' if same else 'kept'}: it takes the next minor of v{major}", False


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    yield from schema_changes(Contract.from_json(before["contract"]), Contract.from_json(after["contract"]))
    yield from data_test_changes(before, after)
    for kind in _SIMPLE:
        for name, one, other in differing(before[kind], after[kind]):
            yield Change(kind=kind, what=name, before=one, after=other)


def schema_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Tell each field that differs; what breaks and is no field of its own comes after."""
    broken = breaking_changes(old, new)
    told = set()
    for name, one, other in differing(_fields(old), _fields(new)):
        mine = {one_break for one_break in broken if _is_at(one_break, name)}
        told |= mine
        yield Change(kind="schema", what=name, before=one, after=other, breaks=bool(mine))
    for one_break in broken:
        if one_break not in told:
            yield Change(kind="schema", what=one_break.where, before="", after=one_break.what, breaks=True)


def _fields(contract: Contract) -> dict[str, str]:
    """Spell each field of each route, as `predict: instance.rooms`, without what is only said of it."""
    found = {}
    for route, schemas in contract.routes.items():
        found[f"{route}: max_instances"] = str(schemas.max_instances)
        for part in _PARTS:
            schema = getattr(schemas, part)
            for name, field in schema.get("properties", {}).items():
                needed = "required" if name in schema.get("required", ()) else "optional"
                found[f"{route}: {part}.{name}"] = f"{_spelled(field, schema.get('$defs', {}))}, {needed}"
    return found


def _spelled(schema: Any, definitions: Mapping[str, Any], depth: int = 8) -> str:
    """Spell a schema in one line, with what it refers to."""

    def plain(value: Any, left: int) -> Any:
        if isinstance(value, dict):
            if "$ref" in value and left:
                return plain(definitions.get(value["$ref"].rpartition("/")[2], {}), left - 1)
            return {name: plain(inner, left) for name, inner in value.items() if name not in _TITLES}
        return [plain(inner, left) for inner in value] if isinstance(value, list) else value

    short = plain(schema, depth)
    if set(short) <= {"type"}:
        return str(short.get("type", "anything"))
    return json.dumps(short, sort_keys=True)


def _is_at(broken: Break, field: str) -> bool:
    """Tell whether something broken is in a field: at it, or below it."""
    route, _, path = field.partition(": ")
    if path == "max_instances":
        return broken.where == route and "instances" in broken.what
    return broken.where == field or broken.where.startswith((f"{field}.", f"{field}["))


def data_test_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Tell which data tests came, went, or compute something else."""
    old, new = before["data tests"], after["data tests"]
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            reason = after["removed"].get(name)
            yield Change(
                kind="data tests",
                what=name,
                before="there",
                after=f"removed: {reason}" if reason else "removed, no reason",
            )
        elif name not in old:
            yield Change(kind="data tests", what=name, before=None, after="new: recorded, not compared, this once")
        elif old[name] != new[name]:
            yield Change(kind="data tests", what=name, before="there", after="computes something else: not compared")


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    """Give each name whose value differs, with both; None where a side has none."""
    for name in sorted(before.keys() | after.keys()):
        one, other = (_text(side[name]) if name in side else None for side in (before, after))
        if one != other:
            yield name, one, other


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _metrics(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Metric]:
    old, new = (({} if run is None else run["metrics"]) for run in (before, after))
    for name in new if after is not None else ():
        yield Metric(name=name, before=old.get(name), after=new[name])


def _trained(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    if after is None:
        return "nothing was trained yet: `rung train` first"
    small = " on small data" if after["overrides"] else ""
    failed = (
        f"; regression tests that did not pass: {', '.join(after['failed_tests'])}" if after["failed_tests"] else ""
    )
    if before is None:
        return f"run {after['id']}{small}; the base has none to compare with{failed}"
    other = before["revision"] or before["id"]
    differs = before["overrides"] != after["overrides"] or before["settings"] != after["settings"]
    how = ", which was trained otherwise: look at the order of magnitude only" if differs else ""
    return f"run {after['id']}{small}, against {other}{how}{failed}"
