"""Does a changed schema keep what its major promised? Every old request stays valid, every old answer readable.

JSON Schemas are compared as sets of values. What consumers send may only be accepted more widely: old is a subset of
new. What they read may only be said more narrowly, with fields added: new is a subset of old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.schema._contract import Contract, RouteContract

Schema = dict[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "multipleOf", "uniqueItems", "discriminator")
_WIDER = {"integer": {"integer", "number"}}
_DEPTH = 32  # of nesting; a recursive model is followed this far


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


Gaps = list[tuple[str, str]]


class _Comparison:
    """Is every value of `narrow` a value of `wide`? `reading` tells which of the two is the old one."""

    def __init__(self, *, narrow: Schema, wide: Schema, reading: bool) -> None:
        self._narrow, self._wide, self._reading = narrow, wide, reading

    def gaps(self, where: str) -> Gaps:
        return self._gaps(self._narrow, self._wide, where, _DEPTH)

    def _gaps(self, narrow: Schema, wide: Schema, where: str, depth: int) -> Gaps:
        narrow, wide = _resolve(narrow, self._narrow), _resolve(wide, self._wide)
        if depth == 0 or not _constrains(wide):
            return []
        if "anyOf" in narrow or "oneOf" in narrow:
            branches = narrow.get("anyOf") or narrow["oneOf"]
            return [gap for branch in branches for gap in self._gaps(branch, wide, where, depth - 1)]
        if "anyOf" in wide or "oneOf" in wide:
            tried = [self._gaps(narrow, branch, where, depth - 1) for branch in wide.get("anyOf") or wide["oneOf"]]
            if any(not gaps for gaps in tried):
                return []
            return [(where, self._say("the type", _spell(narrow), _spell(wide)))]
        return self._one(narrow, wide, where, depth)

    def _one(self, narrow: Schema, wide: Schema, where: str, depth: int) -> Gaps:
        gaps = self._types(narrow, wide, where)
        if gaps:
            return gaps
        gaps = self._limits(narrow, wide, where)
        if isinstance(wide.get("items"), dict):
            gaps += self._gaps(narrow.get("items", {}), wide["items"], f"{where}[]", depth - 1)
        if isinstance(wide.get("additionalProperties"), dict):
            inner = narrow.get("additionalProperties", {})
            gaps += self._gaps(inner if isinstance(inner, dict) else {}, wide["additionalProperties"], where, depth - 1)
        if "properties" in wide or "properties" in narrow:
            gaps += self._properties(narrow, wide, where, depth)
        return gaps

    def _types(self, narrow: Schema, wide: Schema, where: str) -> Gaps:
        allowed = _types(wide)
        if allowed and not _types(narrow):
            return [(where, self._say("the type", "anything", _spell(wide)))]
        if allowed and any(not (_WIDER.get(kind, {kind}) & allowed) for kind in _types(narrow)):
            return [(where, self._say("the type", _spell(narrow), _spell(wide)))]
        values = _values(wide)
        if values is not None and (_values(narrow) is None or any(v not in values for v in _values(narrow) or [])):
            return [(where, self._say("the allowed values", _values(narrow), values))]
        return []

    def _limits(self, narrow: Schema, wide: Schema, where: str) -> Gaps:
        if _values(narrow) is not None:
            return []
        gaps: Gaps = []
        for keys, sign in ((_LOWER, 1), (_UPPER, -1)):
            for key in keys:
                ours, theirs = narrow.get(key), wide.get(key)
                if theirs is not None and (ours is None or sign * ours < sign * theirs):
                    gaps.append((where, self._say(key, ours, theirs)))
        for key in _SAME:
            if wide.get(key) not in (None, False) and narrow.get(key) != wide[key]:
                gaps.append((where, self._say(key, narrow.get(key), wide[key])))
        return gaps

    def _properties(self, narrow: Schema, wide: Schema, where: str, depth: int) -> Gaps:
        ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
        gaps: Gaps = []
        for name in sorted(set(wide.get("required", ())) - set(narrow.get("required", ()))):
            if self._reading:
                what = "may now be missing" if name in ours else "is gone"
            else:
                what = "is now required"
            gaps.append((f"{where}.{name}", what))
        if not self._reading:
            gaps += [(f"{where}.{name}", "is gone") for name in sorted(set(ours) - set(theirs))]
        else:
            optional_gone = set(theirs) - set(ours) - set(wide.get("required", ()))
            gaps += [(f"{where}.{name}", "is gone") for name in sorted(optional_gone)]
        for name in ours.keys() & theirs.keys():
            gaps += self._gaps(ours[name], theirs[name], f"{where}.{name}", depth - 1)
        return gaps

    def _say(self, what: str, narrow: Any, wide: Any) -> str:
        old, new = (wide, narrow) if self._reading else (narrow, wide)
        return f"{what} is {_word(new)}, was {_word(old)}"


def _resolve(schema: Schema, root: Schema) -> Schema:
    seen = 0
    while "$ref" in schema and seen < _DEPTH:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema, seen = target, seen + 1
    merged = schema.get("allOf")
    if merged and len(merged) == 1:
        return _resolve(merged[0], root)
    return schema


def _types(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    if kind is None:
        return set()
    return set(kind) if isinstance(kind, list) else {kind}


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


_ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "$defs"}


def _constrains(schema: Mapping[str, Any]) -> bool:
    return bool(schema.keys() - _ANNOTATIONS)


def _spell(schema: Mapping[str, Any]) -> str:
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_spell(branch) for branch in schema[key])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    return " or ".join(sorted(_types(schema))) or "anything"


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)
