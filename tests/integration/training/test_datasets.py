"""A training that reads a dataset: its version is on record, and is read again by a repeated run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from rung.data import Append, Catalogue
from rung.errors import ConflictError
from rung.reproduction import reproduce
from rung.workspace import Workspace

if TYPE_CHECKING:
    from conftest import Place
    from rung.training import RunRecord

MAIN = """
from rung.data import Dataset
from rung.training import Experiment, TestResults


def load() -> list[int]:
    return Dataset("houses").polars(["house"])["house"].to_list()


def evaluate(load: list[int]) -> TestResults:
    return TestResults(rows=len(load), data=(), regression=(), example={})


experiment = Experiment(load, evaluate)
"""


@pytest.fixture
def houses(place: Place) -> Catalogue:
    place.service("toy", MAIN)
    place.commit()
    catalogue = Catalogue(place.root / ".rung/lake/datasets")
    catalogue.write("houses", pl.DataFrame({"house": [1, 2]}), how=Append())
    return catalogue


def states(record: RunRecord) -> list[str]:
    return [task.state for task in record.tasks]


def test_the_version_is_on_record(place: Place, houses: Catalogue):
    record = place.train("toy")

    (read,) = record.tasks[0].data
    version = houses.version("houses")
    assert (read["dataset"], read["version"], read["path"]) == ("houses", 1, "dataset:houses@1")
    assert (read["digest"], read["size"]) == (version.digest, version.size)


def test_the_same_version_is_not_read_again(place: Place, houses: Catalogue):
    place.train("toy")

    assert states(place.train("toy")) == ["cached", "cached"]


def test_a_new_version_is_read(place: Place, houses: Catalogue):
    place.train("toy")
    houses.write("houses", pl.DataFrame({"house": [3]}), how=Append())

    record = place.train("toy")

    assert states(record) == ["ran", "ran"]
    assert record.tasks[0].because == "the data in dataset:houses@1 changed"
    assert record.tasks[0].data[0]["version"] == 2


def test_an_unknown_dataset_fails_the_task(place: Place):
    place.service("toy", MAIN)
    place.commit()

    assert "there is no dataset 'houses'" in place.fail("toy")


def test_a_repeated_run_reads_the_version_of_then(place: Place, houses: Catalogue):
    record = place.train("toy")
    houses.write("houses", pl.DataFrame({"house": [3]}), how=Append())

    again = reproduce(Workspace(root=place.root, state=place.root / ".rung"), record.id)

    assert again.is_identical, again.because


def test_a_version_that_is_not_what_was_read_is_told(place: Place, houses: Catalogue):
    record = place.train("toy")
    manifest = place.root / ".rung/lake/datasets/houses/_rung/versions/00000001.json"
    manifest.write_text(manifest.read_text().replace(houses.version("houses").digest, "sha256:00"))

    with pytest.raises(ConflictError, match="houses@1 is not what run"):
        reproduce(Workspace(root=place.root, state=place.root / ".rung"), record.id)
