"""Does a changed schema keep what its major promised? Every old request stays valid, every old answer readable.

JSON Schemas are compared as sets of values. What consumers send may only be accepted more widely: old is a subset of
new. What they read may only be said more narrowly, with fields added: new is a subset of old. When in doubt it
is a break. Not seen: validators in Python. Not promised: that undeclared fields of old requests go on to be ignored.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.schema._contract import Contract, RouteContract

Schema = dict[str, Any]
Gaps = list[tuple[str, str]]
"""Path below the compared schema and the change, as a clause; empty when it is a subset."""

_ANYTHING: Schema = {}
_NOTHING: Schema = {"not": {}}
_STRING: Schema = {"type": "string"}
_TYPE = "the type"

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$defs"}
)
_RANGES = (
    ("minimum", "exclusiveMinimum", 1, "the lower bound"),
    ("maximum", "exclusiveMaximum", -1, "the upper bound"),
    ("formatMinimum", "formatExclusiveMinimum", 1, "the lower bound"),
    ("formatMaximum", "formatExclusiveMaximum", -1, "the upper bound"),
)
_SIZES = (
    *((f"min{what}", 1) for what in ("Length", "Items", "Properties")),
    *((f"max{what}", -1) for what in ("Length", "Items", "Properties")),
)
_SAME = (
    *("pattern", "format", "uniqueItems", "allOf", "not", "if", "then", "else"),
    *("contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"),
    *("dependentRequired", "dependentSchemas", "contentEncoding", "contentMediaType", "contentSchema"),
)
"""Keywords whose sets are not worked out: only the same is sure to be a subset."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Break:
    """One promise that the changed schema does not keep."""

    where: str
    """Route and field, as `predict: instance.rooms`."""
    what: str
    """The change, as a clause."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def breaking_changes(old: Contract, new: Contract) -> list[Break]:
    """List what `new` breaks for a consumer of `old`; empty when every change is an addition."""
    broken: list[Break] = []
    for name, route in old.routes.items():
        if name not in new.routes:
            broken.append(Break(where=name, what="the route is gone"))
        else:
            broken.extend(_route(name, route, new.routes[name]))
    return sorted(set(broken))


def _route(name: str, old: RouteContract, new: RouteContract) -> Iterator[Break]:
    if new.max_instances < old.max_instances:
        yield Break(where=name, what=f"at most {new.max_instances} instances a request, was {old.max_instances}")
    for part in ("instance", "parameters"):
        comparison = _Comparison(narrow=getattr(old, part), wide=getattr(new, part), reading=False)
        yield from (Break(where=f"{name}: {where}", what=what) for where, what in comparison.gaps(part))
    comparison = _Comparison(narrow=new.prediction, wide=old.prediction, reading=True)
    yield from (Break(where=f"{name}: {where}", what=what) for where, what in comparison.gaps("prediction"))


class _Document:
    """A JSON Schema whose references are followed; the same schema gives the same object."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._made: dict[int, Schema] = {}

    def resolve(self, schema: Any) -> Schema:
        """Give a schema without `$ref` and `allOf` at its top."""
        if not isinstance(schema, dict):
            return _NOTHING if schema is False else _ANYTHING
        if "$ref" not in schema and "allOf" not in schema:
            return schema
        if id(schema) not in self._made:
            self._made[id(schema)] = _ANYTHING  # what an alias of itself means
            self._made[id(schema)] = _both(list(self._parts(schema)))
        return self._made[id(schema)]

    def without_union(self, schema: Schema) -> Schema:
        """Give what else than its union a resolved schema asks for."""
        key = -id(schema)
        if key not in self._made:
            self._made[key] = _without(schema, "anyOf", "oneOf", "discriminator")
        return self._made[key]

    def _parts(self, schema: Schema) -> Iterator[Schema]:
        if "$ref" in schema:
            target: Any = self.root
            for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target[part] if part else target
            yield self.resolve(target)
        for part in schema.get("allOf", ()):
            yield self.resolve(part)
        yield _without(schema, "$ref", "allOf")


class _Comparison:
    """Is every value of `narrow` a value of `wide`? `reading` tells which of the two is the old one.

    A pair of schemas that is being compared holds until something shows otherwise, so recursive models end, and each
    pair is compared once (B. Pierce, "Types and Programming Languages", 2002, section 21.10).
    """

    def __init__(self, *, narrow: Schema, wide: Schema, reading: bool) -> None:
        self._narrow, self._wide, self._reading = _Document(narrow), _Document(wide), reading
        self._holding: set[tuple[int, int]] = set()
        self._broken: dict[tuple[int, int], Gaps] = {}

    def gaps(self, where: str) -> Gaps:
        """Give where below `where` a value may be in `narrow` and not in `wide`."""
        return _at(where, self._compare(self._narrow.root, self._wide.root))

    def _compare(self, narrow: Any, wide: Any) -> Gaps:
        ours, theirs = self._narrow.resolve(narrow), self._wide.resolve(wide)
        pair = (id(ours), id(theirs))
        if pair in self._holding or not _constrains(theirs) or ours.get("not") == {}:
            return []
        if pair not in self._broken:
            before = set(self._holding)
            self._holding.add(pair)
            gaps = self._compare_anew(ours, theirs)
            if not gaps:
                return []
            self._holding, self._broken[pair] = before, gaps
        return self._broken[pair]

    def _compare_anew(self, narrow: Schema, wide: Schema) -> Gaps:
        if branches := _union(narrow):
            gaps = [gap for branch in branches for gap in self._compare(branch, wide)]
            return [self._type(narrow, wide) if _is_of_type(gap) else gap for gap in gaps]
        if (values := _values(narrow)) is not None:
            return [] if all(self._admits(value, wide) for value in values) else [self._type(narrow, wide)]
        if branches := _union(wide):
            return self._nearest(narrow, wide) + self._compare(narrow, self._wide.without_union(wide))
        if not self._has_type(narrow, wide) or _values(wide) is not None:
            return [self._type(narrow, wide)]
        return self._limits(narrow, wide) + self._items(narrow, wide) + self._fields(narrow, wide)

    def _nearest(self, narrow: Schema, wide: Schema) -> Gaps:
        """Give the gaps to the branch of a union with the fewest; one of another tag need not be compared."""
        branches = [self._wide.resolve(branch) for branch in _union(wide)]
        tried = [self._compare(narrow, branch) for branch in branches if not self._differ_in_tag(narrow, branch)]
        nearest = min(
            tried, key=lambda gaps: (any(map(_is_of_type, gaps)), len(gaps)), default=[self._type(narrow, wide)]
        )
        return [self._type(narrow, wide) if _is_of_type(gap) else gap for gap in nearest]

    def _differ_in_tag(self, narrow: Schema, wide: Schema) -> bool:
        ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
        tags = [name for name in ours if "const" in ours[name] and name in narrow.get("required", ())]
        return any(name in theirs and not self._admits(ours[name]["const"], theirs[name]) for name in tags)

    def _has_type(self, narrow: Schema, wide: Schema) -> bool:
        ours, theirs = _types(narrow), _types(wide)
        if "number" in theirs:
            theirs |= {"integer"}
        return not theirs or (bool(ours) and ours <= theirs)

    def _admits(self, value: Any, wide: Any) -> bool:
        schema = self._wide.resolve(wide)
        branches, values = _union(schema), _values(schema)
        if branches and not any(self._admits(value, branch) for branch in branches):
            return False
        if values is not None:
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)
        if isinstance(value, list | dict):
            return not _constrains(schema)
        single = _single(value, schema.get("pattern"))
        return self._has_type(single, schema) and not self._limits(single, schema)

    def _limits(self, narrow: Schema, wide: Schema) -> Gaps:
        gaps: Gaps = []
        for inclusive, exclusive, sign, what in _RANGES:
            ours, theirs = (_edge(schema, inclusive, exclusive, sign) for schema in (narrow, wide))
            if _types(narrow) == {"integer"}:
                ours, theirs = _whole(ours), _whole(theirs)
            if ours < theirs:
                said = [_spell_edge(schema, inclusive, exclusive, sign) for schema in (narrow, wide)]
                gaps.append(self._say(what, *said))
        for key, sign in _SIZES:
            if key in wide and sign * narrow.get(key, -sign * math.inf) < sign * wide[key]:
                gaps.append(self._say(key, narrow.get(key), wide[key]))
        if not _is_multiple(narrow, wide):
            gaps.append(self._say("multipleOf", narrow.get("multipleOf"), wide["multipleOf"]))
        differing = [key for key in _SAME if wide.get(key) not in (None, False) and narrow.get(key) != wide[key]]
        return gaps + [self._say(key, narrow.get(key), wide[key]) for key in differing]

    def _items(self, narrow: Schema, wide: Schema) -> Gaps:
        ours, theirs = narrow.get("prefixItems", []), wide.get("prefixItems", [])
        most, listed = narrow.get("maxItems", math.inf), max(len(ours), len(theirs))
        gaps: Gaps = []
        for index in range(int(min(listed, most))):
            pair = [each[index] if index < len(each) else _rest(of) for each, of in ((ours, narrow), (theirs, wide))]
            gaps += _at(f"[{index}]", self._compare(*pair))
        return gaps + (_at("[]", self._compare(_rest(narrow), _rest(wide))) if most > listed else [])

    def _fields(self, narrow: Schema, wide: Schema) -> Gaps:
        if "properties" not in wide:
            return self._entries(narrow, wide)
        if "properties" not in narrow and (wide["properties"] or wide.get("additionalProperties") is False):
            return [self._say(_TYPE, "any fields", "these fields")]
        ours, theirs = narrow.get("properties", {}), wide["properties"]
        missing = sorted(set(wide.get("required", ())) - set(narrow.get("required", ())))
        gaps = [(f".{name}", self._lack(name, ours)) for name in missing]
        gone = theirs.keys() - ours.keys() - set(missing) if self._reading else ours.keys() - theirs.keys()
        gaps += [(f".{name}", "is gone") for name in sorted(gone)]
        for name in sorted(ours.keys() & theirs.keys()):
            gaps += _at(f".{name}", self._compare(ours[name], theirs[name]))
        return gaps + self._undeclared(narrow, wide)

    def _lack(self, name: str, ours: Schema) -> str:
        if not self._reading:
            return "is now required"
        return "may now be missing" if name in ours else "is gone"

    def _undeclared(self, narrow: Schema, wide: Schema) -> Gaps:
        """Compare what models say of fields that they do not declare; an answer may always add some."""
        ours, theirs = narrow.get("additionalProperties", not self._reading), wide.get("additionalProperties", True)
        if theirs is False:
            return [] if self._reading or ours is False else [("", "undeclared fields are now refused")]
        return _at(".*", self._compare(ours, theirs))

    def _entries(self, narrow: Schema, wide: Schema) -> Gaps:
        """Compare with a mapping from names to values."""
        declared, patterns = narrow.get("properties", {}), narrow.get("patternProperties", {})
        values = [*declared.values(), *patterns.values()]
        if "additionalProperties" in narrow or not values:
            values.append(narrow.get("additionalProperties", not self._reading))
        gaps: Gaps = []
        if "additionalProperties" in wide:
            gaps += _at(".*", [gap for one in values for gap in self._compare(one, wide["additionalProperties"])])
        for pattern, value in wide.get("patternProperties", {}).items():
            if pattern not in patterns:
                gaps.append(self._say("the pattern of names", " or ".join(patterns) or None, pattern))
            else:
                gaps += _at(".*", self._compare(patterns[pattern], value))
        names = wide.get("propertyNames", True)
        if declared and all(self._admits(name, names) for name in declared):
            return gaps
        return gaps + _at(" names", self._compare(narrow.get("propertyNames", _STRING), names))

    def _type(self, narrow: Schema, wide: Schema) -> tuple[str, str]:
        if _values(narrow) is not None or _values(wide) is not None:
            ours, theirs = _spell(narrow, values=True), _spell(wide, values=True)
        else:
            ours, theirs = _spell(narrow), _spell(wide)
        return self._say(_TYPE, ours, theirs)

    def _say(self, what: str, narrow: Any, wide: Any) -> tuple[str, str]:
        old, new = (wide, narrow) if self._reading else (narrow, wide)
        return "", f"{what} is {_word(new)}, was {_word(old)}"


def _is_of_type(gap: tuple[str, str]) -> bool:
    return not gap[0] and gap[1].startswith(_TYPE)


def _at(where: str, gaps: Gaps) -> Gaps:
    return [(where + path, what) for path, what in gaps]


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _both(parts: list[Schema]) -> Schema:
    """Give the schema of the values that are in all parts; what does not merge stays under `allOf`."""
    parts = [part for part in parts if _constrains(part)]
    if len(parts) < 2:  # noqa: PLR2004  nothing to merge
        return parts[0] if parts else _ANYTHING
    merged: Schema = {}
    for part in parts:
        for key, value in part.items():
            if key in _ANNOTATIONS or merged.setdefault(key, value) == value:
                continue
            merged["allOf"] = [*merged.get("allOf", ()), {key: value}]
    return merged


def _constrains(schema: Mapping[str, Any]) -> bool:
    return bool(schema.keys() - _ANNOTATIONS)


def _union(schema: Mapping[str, Any]) -> list[Any]:
    branches: list[Any] = schema.get("anyOf") or schema.get("oneOf") or []
    return branches


def _types(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    if kind is None:
        return set()
    return set(kind) if isinstance(kind, list) else {kind}


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """List the values of a schema that has few."""
    if "const" in schema:
        return [schema["const"]]
    few: dict[Any, list[Any]] = {"boolean": [False, True], "null": [None]}
    kind = schema.get("type")
    values: list[Any] | None = schema.get("enum", few.get(kind) if isinstance(kind, str) else None)
    return values


def _single(value: Any, pattern: str | None) -> Schema:
    """Describe one value, as a schema that only it has."""
    if isinstance(value, bool) or value is None:
        return {"type": "null" if value is None else "boolean"}
    if isinstance(value, str):
        size = {"type": "string", "minLength": len(value), "maxLength": len(value)}
        return {**size, "pattern": pattern} if pattern and re.search(pattern, value) else size
    kind = "integer" if isinstance(value, int) else "number"
    return {"type": kind, "minimum": value, "maximum": value, "multipleOf": value}


def _edge(schema: Mapping[str, Any], inclusive: str, exclusive: str, sign: int) -> tuple[float, bool]:
    """Give the sharper of two bounds as one that sorts: the greater, the fewer values; upper ones are negated."""
    given = [(sign * _number(schema[key]), key == exclusive) for key in (inclusive, exclusive) if key in schema]
    return max(given, default=(-math.inf, False))


def _spell_edge(schema: Mapping[str, Any], inclusive: str, exclusive: str, sign: int) -> str | None:
    bound, strict = _edge(schema, inclusive, exclusive, sign)
    if math.isinf(bound):
        return None
    return f"{'>' if sign > 0 else '<'}{'' if strict else '='} {schema[exclusive if strict else inclusive]}"


def _whole(edge: tuple[float, bool]) -> tuple[float, bool]:
    bound, strict = edge
    if math.isinf(bound):
        return edge
    return (math.floor(bound) + 1 if strict else math.ceil(bound)), False


def _number(bound: Any) -> Any:
    if not isinstance(bound, str):
        return bound
    moment = datetime.fromisoformat(bound)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_multiple(narrow: Mapping[str, Any], wide: Mapping[str, Any]) -> bool:
    if "multipleOf" not in wide:
        return True
    step = narrow.get("multipleOf", 1 if _types(narrow) == {"integer"} else None)
    return step is not None and Fraction(str(step)) % Fraction(str(wide["multipleOf"])) == 0


def _rest(schema: Mapping[str, Any]) -> Any:
    return schema.get("items", True)


def _spell(schema: Mapping[str, Any], *, values: bool = False) -> str:
    if branches := _union(schema):
        return " or ".join(dict.fromkeys(_spell(branch, values=values) for branch in branches))
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    few = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if few and (values or not _types(schema)):
        return " or ".join(map(repr, few))
    return " or ".join(sorted(_types(schema))) or "anything"


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)
