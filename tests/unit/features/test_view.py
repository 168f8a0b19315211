from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from rung import features
from rung.data import Dataset
from rung.errors import SchemaError
from rung.features import Feature, Features, FeatureView

if TYPE_CHECKING:
    import polars as pl


def view(**changes: Any) -> FeatureView:
    given: dict[str, Any] = {
        "name": "houses",
        "entity": "house",
        "source": Dataset("houses"),
        "time": "known",
        "features": {"area": Feature(float)},
    }
    return FeatureView(**{**given, **changes})


def widened(houses: pl.LazyFrame) -> pl.LazyFrame:
    return houses


def narrowed(houses: pl.LazyFrame) -> pl.LazyFrame:
    return houses.head(1)


def both(houses: pl.LazyFrame, sales: pl.LazyFrame) -> pl.LazyFrame:
    return houses.join(sales, on="house")


class Priced(BaseModel):
    price: float


BAD = {
    "a name with a capital": ({"name": "Houses"}, "a view is called 'Houses'"),
    "no feature": ({"features": {}}, "it needs at least one each"),
    "no entity": ({"entity": ()}, "it needs at least one each"),
    "one name twice": ({"time": "area"}, "'area' stands for two things"),
    "another type": ({"features": {"area": Feature(list)}}, "is of the type <class 'list'>"),
    "a default of another type": ({"features": {"area": Feature(float, default="1")}}, "default of houses.area is '1'"),
    "a truth value for a number": (
        {"features": {"area": Feature(int, default=True)}},
        "default of houses.area is True",
    ),
    "a default that is not finite": ({"features": {"area": Feature(float, default=float("nan"))}}, "is nan"),
    "a default without a zone": ({"features": {"at": Feature(datetime, default=datetime(2026, 1, 1))}}, "time zone"),  # noqa: DTZ001
    "no time to live": ({"ttl": timedelta(0)}, "the ttl of houses is 0:00:00"),
    "no history": ({"history": 0}, "the history of houses is 0"),
    "two sources alone": ({"source": [Dataset("houses"), Dataset("sales")]}, "houses has 2 sources"),
    "a source twice": ({"source": [Dataset("houses"), Dataset("houses")], "transform": both}, "names a source twice"),
    "a transform of too many": ({"transform": both}, "cannot be called with 1 frames"),
    "a transform that is a class": ({"transform": dict}, "is no function"),
    "a contract of something else": ({"contract": Priced}, "the contract of houses has the field 'price'"),
}


@pytest.mark.parametrize(("changes", "told"), BAD.values(), ids=BAD.keys())
def test_wrong_view_is_refused(changes: dict[str, Any], told: str):
    with pytest.raises(SchemaError) as caught:
        view(**changes)
    assert told in str(caught.value)


DIFFERENT = {
    "entity": {"entity": "parcel"},
    "source": {"source": Dataset("sales")},
    "version of the source": {"source": Dataset("houses", version=3)},
    "time": {"time": "seen"},
    "ttl": {"ttl": timedelta(days=1)},
    "history": {"history": 2},
    "type": {"features": {"area": Feature(int)}},
    "default": {"features": {"area": Feature(float, default=1.0)}},
    "null by default": {"features": {"area": Feature(float, default=None)}},
    "features": {"features": {"area": Feature(float), "rooms": Feature(int)}},
    "transform": {"transform": widened},
    "code of the transform": {"transform": narrowed},
}


def test_definitions_tell_all_that_values_depend_on():
    definitions = [view().definition, *(view(**changes).definition for changes in DIFFERENT.values())]
    assert len(set(definitions)) == len(definitions)


def test_definition_does_not_depend_on_what_is_said_of_it():
    spoken = view(doc="houses", features={"area": Feature(float, doc="square metres")}, entity=["house"])
    assert spoken.definition == view().definition
    assert view(features={"area": Feature(float, default=1)}).definition == view(**DIFFERENT["default"]).definition


def test_defaults_have_the_types_of_their_features():
    noon = datetime.fromisoformat("2026-01-01T12:00:00+02:00")
    given = {
        "area": Feature(float, default=1),
        "built": Feature(date, default=date(2000, 1, 1)),
        "seen": Feature(datetime, default=noon),
        "rooms": Feature(int),
    }
    defaults = view(features=given).defaults
    assert defaults == {"area": 1.0, "built": date(2000, 1, 1), "seen": noon, "rooms": None}
    assert type(defaults["area"]) is float
    assert defaults["seen"].tzinfo is UTC


def test_features_name_a_view():
    assert Features("houses") == Features("houses") != Features("sales")
    assert Features(houses := view()).view is houses
    with pytest.raises(ValueError, match=r"Features\('experiments.housing'\) names no view"):
        Features("experiments.housing")


def test_exports_are_sorted_and_there():
    assert features.__all__ == sorted(features.__all__)
    assert all(hasattr(features, name) for name in features.__all__)
