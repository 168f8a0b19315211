from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from rung.practice import advise
from rung.schema import Contract, route_contract


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class House(BaseModel):
    rooms: int


class Label(BaseModel):
    mood: Mood


class Flag(BaseModel):
    is_spam: bool


class MaybeLabel(BaseModel):
    mood: Mood | None = None


class LabelAndScore(BaseModel):
    mood: Mood
    probability: float


class Distribution(BaseModel):
    good: float
    bad: float


class Text(BaseModel):
    summary: str


class Deep(BaseModel):
    price: float
    hidden_state: list[float]


class Vector(BaseModel):
    sensors: Annotated[list[float], Field(max_length=512)]


class Embedded(BaseModel):
    text_embedding: list[float]


class Few(BaseModel):
    sizes: Annotated[list[float], Field(max_length=4)]


ADVICE = {
    "only a label": (House, Label, "only mood, the winner"),
    "only a boolean": (House, Flag, "only is_spam, the winner"),
    "only an optional label": (House, MaybeLabel, "only mood, the winner"),
    "a label and how sure": (House, LabelAndScore, None),
    "a whole distribution": (House, Distribution, None),
    "a text": (House, Text, None),
    "internals in a prediction": (House, Deep, "hidden_state of a prediction look like a model's internals"),
    "an embedding comes in": (Embedded, Distribution, "text_embedding of an instance look like a model's internals"),
    "a long vector comes in": (Vector, Distribution, "sensors of an instance look like a model's internals"),
    "a few numbers come in": (Few, Distribution, None),
}


@pytest.mark.parametrize(("instance", "prediction", "said"), ADVICE.values(), ids=ADVICE.keys())
def test_schema_is_advised(instance: type[BaseModel], prediction: type[BaseModel], said: str | None):
    route = route_contract(instance=instance, parameters=House, prediction=prediction)
    found = advise(Contract(major=1, routes={"predict": route}))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
