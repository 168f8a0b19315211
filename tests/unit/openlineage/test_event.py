"""Events as OpenLineage's own schemas want them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openlineage_schemas import problems

from rung.openlineage._event import _FACETS, Place, ingest_event, run_id, training_event

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = Place(
    namespace="rung:shop", root=Path("/shop"), datasets="/shop/.rung/lake/datasets", repository="https://git.example/x"
)
TASK = {"name": "build_model", "digest": "sha256:ab", "size": 12, "data": []}
RECORD: dict[str, Any] = {
    "id": "housing-20261121-1f3a",
    "service": "housing",
    "status": "succeeded",
    "started": "2026-11-21T17:14:14.000+00:00",
    "ended": "2026-11-21T17:14:16.500+00:00",
    "commit": "8a74c24e",
    "error": None,
    "revision": None,
    "tasks": [
        {
            **TASK,
            "name": "load_data",
            "data": [
                {"path": "data/codes.csv", "digest": "sha256:cd", "size": 3},
                {"path": "dataset:houses@3", "digest": "sha256:ef", "size": 9, "dataset": "houses", "version": 3},
            ],
        },
        TASK,
    ],
}
VERSION: dict[str, Any] = {
    "dataset": "houses",
    "number": 3,
    "rows": 10,
    "added": 4,
    "changed": 1,
    "size": 99,
    "columns": {"price": "Float64"},
    "files": [{}],
    "parents": ["sales@2"],
    "run": None,
}


def ingested(**told: Any) -> dict[str, Any]:
    given = {"run": "r1", "time": "2026-11-21T17:14:16+00:00", "status": "succeeded", "source": "data/2026.csv"}
    return ingest_event(PLACE, "houses", **{**given, **told})


EVENTS = {
    "training began": training_event(PLACE, {**RECORD, "status": "running", "tasks": [], "commit": None}),
    "training succeeded": training_event(PLACE, RECORD),
    "training failed": training_event(PLACE, {**RECORD, "status": "failed", "error": "load_data raised"}),
    "training of a revision": training_event(PLACE, {**RECORD, "revision": "housing.v1.m2"}),
    "ingest began": ingested(status="running"),
    "ingest succeeded": ingested(version=VERSION),
    "ingest of a training": ingested(version={**VERSION, "run": "housing-20261121-1f3a"}),
    "ingest without news": ingested(),
    "ingest failed": ingested(status="failed", error="no such file", source="s3://bucket/houses/2026.csv"),
    "ingest of a database": ingested(source="postgresql://db.example.org:5432/sales SELECT * FROM houses"),
    "ingest of several files": ingested(source="sales/2025 a.csv sales/2026.csv"),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_events_are_valid(event: Mapping[str, Any]):
    assert problems(json.loads(json.dumps(event))) == []


def test_a_wrong_event_is_found_to_be_wrong():
    wrong = json.loads(json.dumps(EVENTS["ingest succeeded"]))
    wrong["outputs"][0]["facets"]["version"]["datasetVersion"] = 3
    wrong["run"]["runId"] = "r1"
    assert len(problems(wrong)) == 2


def test_every_facet_is_in_some_event():
    text = json.dumps(list(EVENTS.values()))
    assert [name for name, (_, file) in _FACETS.items() if f"{file}.json" not in text] == []


def test_begin_and_end_are_of_one_run():
    began, ended = EVENTS["training began"], EVENTS["training succeeded"]
    assert (began["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert began["run"]["runId"] == ended["run"]["runId"] == run_id(RECORD["id"])
    assert began["job"]["name"] == ended["job"]["name"] == "housing.training"


def test_training_tells_what_it_read_and_made():
    event = EVENTS["training succeeded"]
    read = {(one["namespace"], one["name"]): one["facets"]["version"]["datasetVersion"] for one in event["inputs"]}
    assert read == {
        ("file", "/shop/data/codes.csv"): "sha256:cd",
        ("file", "/shop/.rung/lake/datasets/houses"): "3",
    }
    assert [one["name"] for one in event["outputs"]] == ["housing.load_data", "housing.build_model"]
    assert event["job"]["facets"]["sourceCodeLocation"]["version"] == "8a74c24e"


def test_what_an_ingest_wrote_is_what_a_training_reads():
    written, read = EVENTS["ingest succeeded"]["outputs"][0], EVENTS["training succeeded"]["inputs"][1]
    for part in ("namespace", "name"):
        assert written[part] == read[part]
    assert written["facets"]["version"]["datasetVersion"] == read["facets"]["version"]["datasetVersion"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 5


@pytest.mark.parametrize(
    ("source", "namespace", "name"),
    [
        ("data/2026.csv", "file", "/shop/data/2026.csv"),
        ("/mnt/a.csv", "file", "/mnt/a.csv"),
        ("file:///mnt/a.csv", "file", "/mnt/a.csv"),
        ("s3://bucket/houses/a.csv", "s3://bucket", "houses/a.csv"),
        ("https://example.org:8443/a.csv", "https://example.org:8443", "a.csv"),
        ("postgresql://db/sales", "postgresql://db", "sales"),
        ("https://example.org", "https://example.org", "/"),
    ],
)
def test_sources_are_named_by_where_they_lie(source: str, namespace: str, name: str):
    (read,) = ingested(source=source)["inputs"]
    assert (read["namespace"], read["name"]) == (namespace, name)


def test_datasets_in_a_bucket_are_named_so():
    place = Place(namespace="rung:shop", root=Path("/shop"), datasets="s3://models/shop/lake/datasets")
    (written,) = ingest_event(place, "houses", run="r", time="2026-11-21T17:14:16Z", status="running")["outputs"]
    assert (written["namespace"], written["name"]) == ("s3://models", "shop/lake/datasets/houses")
