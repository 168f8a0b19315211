"""The features of a revision are written by jobs of its own code, when its datasets have newer versions."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest
from waiting import until

from rung.compute.jobs import Job
from rung.control.deployment.features import Features
from rung.control.place import Place
from rung.data import Append, Catalogue
from rung.errors import ConflictError, NotFoundError
from rung.schema import RevisionName
from rung.serving import Bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

NAME = RevisionName.parse("houses.v1.m1")
PYTHON = sys.executable
VIEWS = """
from rung.data import Dataset
from rung.features import Feature, FeatureView

rooms = FeatureView(
    name="rooms", entity="house", source=Dataset("houses"), time="known_on", features={"rooms": Feature(int)}
)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    (tmp_path / "rung.toml").touch()
    place = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    place.make()
    service = place.source(NAME) / "experiments" / "houses"
    (service / "schema").mkdir(parents=True)
    for package in (service.parent, service, service / "schema"):
        (package / "__init__.py").touch()
    (service / "features.py").write_text(VIEWS)
    (place.source(NAME) / "rung.toml").touch()
    return place


def bring(place: Place, house: int) -> None:
    rows = pl.DataFrame({"house": [house], "known_on": ["1996-01-01"], "rooms": [6]}).with_columns(
        pl.col("known_on").str.to_date()
    )
    Catalogue(place.datasets).write("houses", rows, how=Append())


def bundle() -> Bundle:
    return Bundle(
        revision=str(NAME), run="r", artifacts={}, contract={}, infrastructure={}, example={}, datasets={"houses": 1}
    )


def waited(features: Features) -> None:
    until(lambda: not features.look(NAME, bundle(), PYTHON), every_s=0.1)


def written(place: Place) -> list[str]:
    return [line for line in Job(place.revision(NAME) / "jobs" / "features").log.read_text().splitlines() if line]


def test_features_follow_the_newest_version(place: Place):
    bring(place, 1)
    features = Features(place)
    assert features.look(NAME, bundle(), PYTHON) == "its features are being written"
    waited(features)
    assert features.look(NAME, bundle(), PYTHON) == ""

    bring(place, 2)
    assert features.look(NAME, bundle(), PYTHON) == "its features are being written"
    waited(features)

    assert len(written(place)) == 2
    assert '"datasets": {"houses": 2}' in written(place)[-1]


def test_a_store_that_was_lost_is_filled_again(place: Place):
    bring(place, 1)
    features = Features(place)
    waited(features)
    job = Job(place.revision(NAME) / "jobs" / "features")
    os.utime(job.exit_file, (0, 0))

    assert features.look(NAME, bundle(), PYTHON) == ""
    waited(features)
    assert len(written(place)) == 2


def test_views_that_break_are_told_and_tried_again(place: Place):
    bring(place, 1)
    views = place.source(NAME) / "experiments" / "houses" / "features.py"
    views.write_text(VIEWS.replace('"known_on"', '"colour"'))
    features = Features(place)
    with pytest.raises(ConflictError, match=r"its features could not be written: .*colour"):
        waited(features)

    views.write_text(VIEWS)
    os.utime(Job(place.revision(NAME) / "jobs" / "features").exit_file, (0, 0))
    waited(features)


def test_a_lost_dataset_is_told(place: Place):
    with pytest.raises(NotFoundError, match="there is no dataset 'houses'"):
        Features(place).look(NAME, bundle(), PYTHON)
