"""What was fetched for a prediction is in the lake, also in tables that were made before anything was fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rung.lake import PREDICTIONS, Lake
from rung.lake._lines import KINDS, parse
from rung.lake._tables import Table

if TYPE_CHECKING:
    from conftest import Writer

FETCHED = b'[{"view":"houses","rows":[]}]'


def features(lake: Lake) -> dict[str, str | None]:
    return dict(lake.predictions().select("id", "features").collect().iter_rows())


def test_fetched_features_reach_the_table(lake: Lake, writer: Writer):
    with_features = writer.predict("a", "incumbent", features=FETCHED)
    without = writer.predict("b", "incumbent")
    lake.ship()
    assert features(lake) == {with_features: FETCHED.decode(), without: None}


def test_older_table_gets_the_column_with_its_next_rows(lake: Lake, writer: Writer):
    kind = KINDS[PREDICTIONS]
    before = pl.Schema({name: type_ for name, type_ in kind.schema.items() if name != "features"})
    writer.predict("a", "incumbent", id="old")
    [path] = lake.logs.iterdir()
    rows, _ = parse(path.read_bytes(), kind)
    Table(lake.tables[PREDICTIONS].uri, before, ["service", "date"]).append(rows.drop("features"), {})
    assert features(lake) == {"old": None}
    writer.predict("b", "incumbent", id="new", features=FETCHED)
    lake.ship()
    found = lake.predictions().select("id", "features").collect().sort("id", nulls_last=True)
    assert found.unique().sort("id").rows() == [("new", FETCHED.decode()), ("old", None)]
