"""Values without a library of their own: standard types, dataclasses, Pydantic models."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import math
import pathlib
import sys
import types
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pydantic
import pytest
from pydantic_core import TzInfo

from rung import artifacts
from rung.artifacts import _classes
from rung.errors import CallError, IntegrityError, TaskError

NOW = dt.datetime(2026, 10, 25, 2, 30, 0, 123456)  # noqa: DTZ001  # a time without a zone is a case of its own
PARIS = zoneinfo.ZoneInfo("Europe/Paris")


class Colour(enum.StrEnum):
    RED = "red"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    train: list[int]
    test: Any
    size: int = dataclasses.field(init=False, default=7)


@dataclasses.dataclass
class Report:
    rows: list[int]

    @functools.cached_property
    def total(self) -> int:
        return sum(self.rows)


class Point(NamedTuple):
    x: float
    y: float


class House(pydantic.BaseModel):
    area: float
    colour: Colour = Colour.RED
    sold: dt.datetime | None = None
    anything: Any = None


class Loose(pydantic.BaseModel, extra="allow"):
    area: float
    _seen: int = pydantic.PrivateAttr(default=0)


@dataclasses.dataclass
class Refusal(Exception):  # noqa: N818  # an error that is also data
    why: str


class Counting:
    def __init__(self) -> None:
        self.state = {"a": 1}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counting) and other.state == self.state

    __hash__ = None  # type: ignore[assignment]


def through(value: Any) -> Any:
    data = artifacts.encode(value)
    return artifacts.decode(data, digest=artifacts.digest_of(data))


EXACT = [
    None,
    True,
    0,
    -(2**64),
    10**400,
    0.1,
    -0.0,
    math.inf,
    "",
    "Ünïcode \ud800\udc00",
    b"",
    bytes(300),
    1 + 2j,
    [],
    (),
    (1, [2, (3,)], {"a": ()}),
    {},
    {"$part": 0},
    {"$": 1, "b": 2},
    {1: "a", None: "b", (1, 2): "c", False: "d", 1.5: "e"},
    {1, "a", (2, 3), None},
    frozenset({Colour.RED, 1}),
    {"é", "a", "z"},
    NOW.date(),
    NOW,
    NOW.replace(tzinfo=dt.UTC),
    NOW.replace(tzinfo=PARIS, fold=1),
    NOW.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3), "BRT")),
    NOW.replace(tzinfo=TzInfo(3600)),
    NOW.time(),
    dt.time(1, 2, 3, tzinfo=dt.UTC, fold=1),
    dt.timedelta(days=-1, microseconds=1),
    dt.UTC,
    PARIS,
    decimal.Decimal("1.20"),
    uuid.UUID(int=5),
    pathlib.Path("a/b"),
    pathlib.PureWindowsPath("c:/x"),
    Colour.RED,
    Point(1.0, math.inf),
    Split(train=[1], test=(2, Point(3, 4))),
    House(area=1, sold=NOW.replace(tzinfo=PARIS), anything=(1, {2})),
    House.model_construct(area="not a float"),
    [House(area=area) for area in range(3)],
    Loose(area=1.0, rooms=[1, (2,)]),
]


@pytest.mark.parametrize("value", EXACT, ids=lambda value: type(value).__name__)
def test_value_comes_back_exactly(value: Any):
    back = through(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, set | frozenset)
    assert not artifacts.describe(artifacts.encode(value)).marked_unsafe


def test_huge_integers_come_back():
    assert through(10**5000) == 10**5000


def test_nan_comes_back_as_nan():
    assert math.isnan(through({"r2": math.nan})["r2"])


def test_times_keep_their_fold_and_zone():
    back = through(NOW.replace(tzinfo=PARIS, fold=1))
    assert (back.fold, back.tzinfo) == (1, PARIS)


@pytest.mark.parametrize(
    "value",
    [
        Access.READ | Access.WRITE,
        collections.Counter("aab"),
        collections.OrderedDict(a=1),
        Counting(),
        bytearray(b"x"),
        {frozenset({Point}), 1},
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_pickled_and_marked(value: Any):
    description = artifacts.describe(artifacts.encode(value))
    assert (description.format, description.marked_unsafe) == ("cloudpickle", True)
    assert through(value) == value


def test_only_the_odd_leaf_is_pickled():
    value = {"fine": [1], "odd": Counting()}
    description = artifacts.describe(artifacts.encode(value))
    assert (description.format, description.formats) == ("composite", ("cloudpickle",))
    assert through(value) == value


def test_cycles_are_pickled():
    value: list[Any] = [1]
    value.append(value)
    back = through(value)
    assert back[1] is back


def test_model_keeps_what_was_set():
    back = through(House(area=2))
    assert back.model_fields_set == {"area"}


def test_model_keeps_extra_and_private_values():
    house = Loose(area=1.0, rooms=3)
    house._seen = 5  # noqa: SLF001  # the private value is the case
    back = through(house)
    assert (back.rooms, back._seen) == (3, 5)  # noqa: SLF001


def test_cached_properties_are_computed_again():
    report = Report([1, 2])
    assert report.total == 3
    back = through(report)
    assert back == report
    assert "total" not in vars(back)


def test_attributes_beside_the_fields_are_kept():
    report = Report([1])
    report.note = "by hand"  # type: ignore[attr-defined]  # what authors do
    assert through(report).note == "by hand"


def test_class_with_its_own_pickling_keeps_it():
    assert through(Guarded(3)) == Guarded(6)


@dataclasses.dataclass
class Guarded:
    value: int

    def __getstate__(self) -> dict[str, int]:
        return {"value": self.value * 2}


def test_error_that_is_a_dataclass_keeps_both():
    back = through(Refusal("too late"))
    assert (back.why, back.args) == ("too late", ("too late",))


def test_description_names_type_and_classes():
    description = artifacts.describe(artifacts.encode([House(area=1)]))
    assert (description.format, description.type) == ("json", "builtins:list")
    assert set(description.classes) == {f"{__name__}:House", f"{__name__}:Colour"}


def test_local_classes_are_pickled():
    @dataclasses.dataclass
    class Local:
        x: int

    description = artifacts.describe(artifacts.encode(Local(1)))
    assert description.format == "cloudpickle"


def test_program_run_as_module_gives_its_real_name(monkeypatch: pytest.MonkeyPatch):
    program = types.ModuleType("__main__")
    program.__spec__ = types.SimpleNamespace(name="experiments.housing.train.main")  # type: ignore[assignment]
    made = dataclasses.make_dataclass("Split", ["rows"])
    made.__module__ = "__main__"
    program.Split = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", program)
    assert _classes.importable_path(made) == "experiments.housing.train.main:Split"
    assert through(made(rows=[1])) == made(rows=[1])


def test_a_script_cannot_name_its_classes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    made = dataclasses.make_dataclass("Split", ["rows"])
    made.__module__ = "__main__"
    assert _classes.importable_path(made) is None


def test_moved_class_is_named(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Point(1, 2))
    monkeypatch.delattr(sys.modules[__name__], "Point")
    with pytest.raises(TaskError, match="Point, which cannot be found"):
        artifacts.decode(data)


def test_changed_fields_are_named(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Point(1, 2))
    changed = collections.namedtuple("Point", ["x", "z"])  # noqa: PYI024  # the shape is the case, not its types
    monkeypatch.setattr(sys.modules[__name__], "Point", changed)
    with pytest.raises(TaskError, match="its fields were x, y and are x, z"):
        artifacts.decode(data)


def test_removed_enum_member_is_named(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Colour.RED)
    monkeypatch.setattr(sys.modules[__name__], "Colour", enum.Enum("Colour", ["BLUE"]))
    with pytest.raises(TaskError, match="'RED' is not one of BLUE"):
        artifacts.decode(data)


def test_another_thing_of_that_name_is_refused(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Point(1, 2))
    monkeypatch.setattr(sys.modules[__name__], "Point", print)
    with pytest.raises(TaskError, match="no namedtuple now"):
        artifacts.decode(data)


def test_pickles_are_not_read_without_digest():
    with pytest.raises(CallError, match="without its digest"):
        artifacts.decode(artifacts.encode(Counting()))


def test_modules_are_not_imported_without_digest(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Point(1, 2))
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(CallError, match="imports nothing"):
        artifacts.decode(data)


def test_missing_module_is_named():
    with pytest.raises(TaskError, match=r"no\.such:House, which cannot be found"):
        _classes.find("no.such:House", trusted=True)


def test_plain_data_needs_no_digest():
    assert artifacts.decode(artifacts.encode({"a": (1, 2)})) == {"a": (1, 2)}


def test_wrong_digest_is_refused():
    with pytest.raises(IntegrityError, match="its bytes give sha256:"):
        artifacts.decode(artifacts.encode(1), digest=artifacts.digest_of(b""))


def test_what_is_no_digest_is_refused():
    for digest in ("", "sha256:../../etc/passwd", "md5:00"):
        with pytest.raises(CallError, match="is no digest"):
            artifacts.decode(artifacts.encode(1), digest=digest)


def test_unstorable_values_get_a_hint():
    with pytest.raises(TaskError, match="return data or models from a task"):
        artifacts.encode(x for x in [1])


def test_sharing_does_not_change_the_bytes():
    row = [1.5]
    assert artifacts.encode([row, row]) == artifacts.encode([[1.5], [1.5]])
