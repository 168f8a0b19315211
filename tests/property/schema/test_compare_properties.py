"""Models made at random, changed at random: additions never break, and what does not break keeps every old value."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import hypothesis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from rung.schema import Contract, breaking_changes, route_contract

Kind = dict[str, Any]
"""A type as data: what it is, and its bounds or parts. Models are `{"fields": {name: (kind, is_required)}}`."""

Empty = create_model("Empty")
NAMES = ["rooms", "area", "garage", "wall"]
LETTERS = ["a", "b", "c", "d"]
STRICT = ConfigDict(extra="forbid", strict=True)

numbers = st.integers(min_value=-3, max_value=6)


@st.composite
def ranges(draw: st.DrawFn, what: str) -> Kind:
    bounds = {name: draw(st.none() | numbers) for name in ("ge", "gt", "le", "lt")}
    kept = {name: value for name, value in bounds.items() if value is not None and draw(st.booleans())}
    return {"is": what, **kept}


@st.composite
def texts(draw: st.DrawFn) -> Kind:
    low = draw(st.integers(min_value=0, max_value=3))
    return {"is": "text", "min_length": low, "max_length": low + draw(st.integers(min_value=0, max_value=3))}


leaves = st.one_of(
    ranges("whole"),
    ranges("number"),
    texts(),
    st.builds(
        lambda values: {"is": "choice", "values": values}, st.lists(st.sampled_from(LETTERS), min_size=1, unique=True)
    ),
    st.just({"is": "truth"}),
    st.just({"is": "none"}),
)


def parts(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    fields = st.dictionaries(st.sampled_from(NAMES), st.tuples(inner, st.booleans()), max_size=3)
    return st.one_of(
        st.builds(
            lambda item, most: {"is": "list", "item": item, "max_length": most}, inner, st.sampled_from([1, 2, 3])
        ),
        st.builds(lambda value: {"is": "mapping", "value": value}, inner),
        st.builds(lambda first, second: {"is": "pair", "parts": [first, second]}, inner, inner),
        st.builds(lambda one, other: {"is": "union", "parts": [one, other]}, inner, inner),
        st.builds(lambda found: {"is": "model", "fields": found}, fields),
    )


kinds = st.recursive(leaves, parts, max_leaves=4)
models = st.dictionaries(st.sampled_from(NAMES), st.tuples(kinds, st.booleans()), max_size=4).map(
    lambda found: {"is": "model", "fields": found}
)

some_models = st.one_of(st.builds(lambda leaf: {"is": "model", "fields": {"x": (leaf, True)}}, leaves), models)
"""Many small ones: there a change of a bound is the only change."""


def made(kind: Kind, name: str = "Made") -> Any:  # noqa: PLR0911  one for each kind
    """Give the type of a kind."""
    match kind:
        case {"is": "whole" | "number" as what, **bounds}:
            number = int if what == "whole" else float
            return Annotated[number, Field(**bounds)]
        case {"is": "text", **bounds}:
            return Annotated[str, Field(**bounds)]
        case {"is": "choice", "values": values}:
            return Literal[tuple(values)]
        case {"is": "truth"}:
            return bool
        case {"is": "none"}:
            return None
        case {"is": "list", "item": item, "max_length": most}:
            return Annotated[list[made(item, name)], Field(max_length=most)]
        case {"is": "mapping", "value": value}:
            return dict[str, made(value, name)]
        case {"is": "pair", "parts": [first, second]}:
            return tuple[made(first, name), made(second, name)]
        case {"is": "union", "parts": [one, other]}:
            return made(one, name) | made(other, name) if one != other else made(one, name)
    fields = {
        field: (made(inner, f"{name}_{field}"), ... if required else None)
        for field, (inner, required) in kind["fields"].items()
    }
    return create_model(name, __config__=STRICT, **fields)


@st.composite
def instances(draw: st.DrawFn, kind: Kind) -> Any:  # noqa: C901, PLR0911  one for each kind
    """Draw JSON data that a kind's type may take; whoever asks checks that it does."""
    match kind:
        case {"is": "whole", **bounds}:
            edges = [bound + step for bound in bounds.values() for step in (-1, 0, 1)]
            return draw(st.sampled_from([*edges, -6, 0, 9]))
        case {"is": "number", **bounds}:
            edges = [bound + step for bound in bounds.values() for step in (-0.5, 0, 0.5)]
            return draw(st.sampled_from([*edges, -6, 0.5, 9]))
        case {"is": "text", "min_length": low, "max_length": high}:
            return draw(st.text(alphabet="abcd", min_size=low, max_size=high))
        case {"is": "choice", "values": values}:
            return draw(st.sampled_from(values))
        case {"is": "truth"}:
            return draw(st.booleans())
        case {"is": "none"}:
            return None
        case {"is": "list", "item": item, "max_length": most}:
            return draw(st.lists(instances(item), max_size=most))
        case {"is": "mapping", "value": value}:
            return draw(st.dictionaries(st.sampled_from(LETTERS), instances(value), max_size=2))
        case {"is": "pair", "parts": both}:
            return [draw(instances(part)) for part in both]
        case {"is": "union", "parts": either}:
            return draw(instances(draw(st.sampled_from(either))))
    present = [name for name, (_, required) in kind["fields"].items() if required or draw(st.booleans())]
    return {name: draw(instances(kind["fields"][name][0])) for name in present}


@st.composite
def changed(draw: st.DrawFn, kind: Kind) -> Kind:  # noqa: PLR0911  one for each kind
    """Change a kind a little: often wider, sometimes narrower, sometimes another one."""
    if draw(st.integers(min_value=0, max_value=19)) == 0:
        return draw(leaves)
    if draw(st.integers(min_value=0, max_value=9)) == 0:
        return {"is": "union", "parts": draw(st.permutations([kind, draw(leaves)]))}
    match kind:
        case {"is": "whole" | "number", **bounds}:
            kept = {name: value + draw(st.sampled_from([0, 0, 1, -1])) for name, value in bounds.items()}
            dropped = draw(st.sampled_from([None, *kept]))
            return {
                "is": draw(st.sampled_from([kind["is"], "number"])),
                **{name: value for name, value in kept.items() if name != dropped},
            }
        case {"is": "text", "max_length": high}:
            return kind | {"max_length": high + draw(st.sampled_from([0, 1, -1 if high > kind["min_length"] else 0]))}
        case {"is": "choice", "values": values}:
            more = {"is": "choice", "values": sorted({*values, draw(st.sampled_from(LETTERS))})}
            return draw(st.sampled_from([more, more, {"is": "text", "min_length": 0, "max_length": 2}]))
        case {"is": "list", "item": item, "max_length": most}:
            return {"is": "list", "item": draw(changed(item)), "max_length": most + draw(st.sampled_from([0, 1]))}
        case {"is": "mapping", "value": value}:
            return {"is": "mapping", "value": draw(changed(value))}
        case {"is": "pair" | "union" as what, "parts": both}:
            return {"is": what, "parts": [draw(changed(part)) for part in both]}
        case {"is": "model", "fields": fields}:
            return {"is": "model", "fields": draw(changed_fields(fields))}
    return kind


@st.composite
def changed_fields(draw: st.DrawFn, fields: dict[str, tuple[Kind, bool]]) -> dict[str, tuple[Kind, bool]]:
    after: dict[str, tuple[Kind, bool]] = {}
    for name, (kind, required) in fields.items():
        if draw(st.integers(min_value=0, max_value=19)) != 0:
            after[name] = (
                draw(changed(kind) | st.just(kind)),
                required and draw(st.sampled_from([True, True, False])),
            )
    if draw(st.booleans()):
        after.setdefault("added", (draw(leaves), draw(st.sampled_from([False, False, True]))))
    return after


def contract(part: str, kind: Kind, name: str) -> Contract:
    sides: dict[str, type[BaseModel]] = {"instance": Empty, "parameters": Empty, "prediction": Empty}
    route = route_contract(**sides | {part: made(kind, name)})
    return Contract.from_json(json.loads(json.dumps(Contract(major=1, routes={"predict": route}).to_json())))


def breaks(part: str, old: Kind, new: Kind) -> list[str]:
    return [str(one) for one in breaking_changes(contract(part, old, "Old"), contract(part, new, "New"))]


def is_valid(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


@settings(deadline=None)
@given(kind=models, part=st.sampled_from(["instance", "parameters", "prediction"]))
def test_same_schema_never_breaks(kind: Kind, part: str):
    assert breaks(part, kind, kind) == []


@settings(deadline=None)
@given(kind=models, added=leaves, part=st.sampled_from(["instance", "parameters", "prediction"]))
def test_optional_field_never_breaks(kind: Kind, added: Kind, part: str):
    new = {"is": "model", "fields": {**kind["fields"], "added": (added, False)}}
    assert breaks(part, kind, new) == []


@settings(deadline=None)
@given(kind=models, added=leaves)
def test_required_field_breaks_senders_only(kind: Kind, added: Kind):
    new = {"is": "model", "fields": {**kind["fields"], "added": (added, True)}}
    assert breaks("instance", kind, new) == ["predict: instance.added: is now required"]
    assert breaks("prediction", kind, new) == []


@settings(deadline=None)
@given(kind=models, other=kinds, data=st.data())
def test_wider_field_never_breaks_senders(kind: Kind, other: Kind, data: st.DataObject):
    hypothesis.assume(kind["fields"])
    name = data.draw(st.sampled_from(sorted(kind["fields"])))
    inner, _ = kind["fields"][name]
    wider = {"is": "union", "parts": data.draw(st.permutations([inner, other]))}
    new = {"is": "model", "fields": kind["fields"] | {name: (wider, False)}}
    assert breaks("instance", kind, new) == []


GRID = [
    *[half / 2 for half in range(-8, 16)],
    *range(-4, 8),
    *LETTERS,
    *["a" * length for length in range(8)],
    *[True, False, None],
]
"""Values of every leaf, on both sides of each of its bounds."""


@settings(deadline=None)
@given(old=leaves, new=leaves, alike=st.booleans(), data=st.data())
def test_leaves_break_just_when_a_value_is_lost(old: Kind, new: Kind, alike: bool, data: st.DataObject):
    if alike and old["is"] in ("whole", "number"):
        new = data.draw(ranges(old["is"]))
    before, after = ({"is": "model", "fields": {"x": (kind, True)}} for kind in (old, new))
    old_model, new_model = made(before), made(after)
    taken = [value for value in GRID if is_valid(old_model, {"x": value})]
    lost = [value for value in taken if not is_valid(new_model, {"x": value})]
    found = breaks("instance", before, after)
    assert not (lost and not found)
    if taken and not lost:
        assert not found or old["is"] != new["is"], "a change within one kind is judged exactly"


@settings(deadline=None)
@given(data=st.data(), kind=some_models)
def test_unbroken_change_takes_every_old_request(kind: Kind, data: st.DataObject):
    new = data.draw(changed(kind))
    if new["is"] != "model" or breaks("instance", kind, new):
        return
    before, after = made(kind), made(new)
    for value in data.draw(st.lists(instances(kind), min_size=5, max_size=10)):
        if is_valid(before, value):
            assert is_valid(after, value), f"{value} fits {kind} and not {new}"


@settings(deadline=None)
@given(data=st.data(), kind=some_models)
def test_unbroken_change_says_nothing_unreadable(kind: Kind, data: st.DataObject):
    new = data.draw(changed(kind))
    if new["is"] != "model" or breaks("prediction", new, kind):
        return
    before, after = made(kind), made(new)
    for value in data.draw(st.lists(instances(kind), min_size=5, max_size=10)):
        known = {name: one for name, one in value.items() if name in new["fields"]}
        if is_valid(before, value):
            assert is_valid(after, known), f"{known} fits {kind} and not {new}"
