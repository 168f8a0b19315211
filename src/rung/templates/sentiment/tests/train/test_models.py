"""What happens to data before a model sees them: ordinary pytest, without files and without a training."""

import polars as pl
import pytest

from experiments.{{service}}.schema.request import Instance
from experiments.{{service}}.train.main import place, sentiment
from experiments.{{service}}.train.models import to_texts


def test_each_sentence_is_one_text_in_order():
    assert to_texts([Instance(text="Dull."), Instance(text="A joy!")]) == ["Dull.", "A joy!"]


@pytest.mark.parametrize(
    ("rating", "name"),
    [(-4.0, "negative"), (-1.0, "negative"), (-0.99, "neutral"), (0.99, "neutral"), (1.0, "positive")],
)
def test_a_rating_has_its_class(rating, name):
    frame = pl.DataFrame({"rating": [rating]})
    assert frame.select(sentiment(pl.col("rating"), neutral_within=1.0)).item() == name


def test_places_are_spread_evenly_and_stay():
    places = [place(f"Sentence {number}.", seed=0) for number in range(1_000)]
    assert places == [place(f"Sentence {number}.", seed=0) for number in range(1_000)]
    assert all(0 <= found < 1 for found in places)
    assert 150 < sum(found < 0.2 for found in places) < 250
