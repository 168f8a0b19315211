"""Records of trainings and ingests as OpenLineage run events. Pure.

OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json, with facets of the versions that `_FACETS` names.
Datasets are named by where they lie, as https://openlineage.io/docs/spec/naming asks; artifacts, which lie where their
content says, by service and task, with their digest as the version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from rung import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Place", "Status", "ingest_event", "run_id", "training_event"]

Status: TypeAlias = Literal["running", "succeeded", "failed", "pruned"]
"""As in the record of a run."""

_TYPES: Final[dict[str, str]] = {"running": "START", "succeeded": "COMPLETE", "failed": "FAIL", "pruned": "ABORT"}
_SPECIFICATION: Final = "https://openlineage.io/spec"
_SCHEMA: Final = f"{_SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_PRODUCER: Final = f"urn:rung:{__version__}"
_FACETS: Final[dict[str, tuple[str, str]]] = {
    "dataQualityMetrics": ("1-0-0", "DataQualityMetricsDatasetFacet"),
    "dataSource": ("1-0-1", "DatasourceDatasetFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "inputStatistics": ("1-0-0", "InputStatisticsInputDatasetFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "parent": ("1-2-0", "ParentRunFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "sourceCodeLocation": ("1-1-0", "SourceCodeLocationJobFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
}
"""Version and file of each facet that is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What names are made of."""

    namespace: str  # of jobs and artifacts: "rung:shop"
    root: Path  # of the workspace
    datasets: str  # folder or URI of all datasets
    repository: str | None = None  # URL of the workspace's git repository, without secrets


def training_event(place: Place, record: Mapping[str, Any]) -> dict[str, Any]:
    """Tell that a training began, succeeded or failed.

    Args:
        place: Where it runs.
        record: A `RunRecord` as JSON data, as far as it is filled in.
    """
    service, is_over = record["service"], record["status"] != "running"
    facets = {"jobType": {"processingType": "BATCH", "integration": "RUNG", "jobType": "TRAINING"}}
    if place.repository and record["commit"]:
        facets["sourceCodeLocation"] = {
            "type": "git",
            "url": place.repository,
            "repoUrl": place.repository,
            "path": f"experiments/{service}",
            "version": record["commit"],
        }
    event = _event(record["ended"] if is_over else record["started"], record["status"])
    event["run"] = _run(record["id"], error=record["error"])
    if record["revision"]:
        event["run"]["facets"] |= _facets(parent=_parent(place, f"{record['revision']}.deployment", record["revision"]))
    event["job"] = {"namespace": place.namespace, "name": f"{service}.training", "facets": _facets(**facets)}
    read = {str(one["path"]): one for task in record["tasks"] for one in task["data"]}
    event["inputs"] = [_read(place, one) for one in read.values()]
    event["outputs"] = [_artifact(place, service, task) for task in record["tasks"] if task["digest"]]
    return event


def ingest_event(
    place: Place,
    dataset: str,
    *,
    run: str,
    time: str,
    status: Status,
    source: str | None = None,
    version: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """Tell that rows begin to come into a dataset, came, or did not.

    Args:
        place: Where that happens.
        dataset: Its name.
        run: Anything that tells this ingest from others.
        time: When this happened, RFC 3339.
        status: How far it is.
        source: Where the rows come from, without secrets: a path or a URL.
        version: The `Version` that it made, as JSON data; None when there was nothing new, or not yet.
        error: Why it failed.
    """
    event = _event(time, status)
    event["run"] = _run(run, error=error)
    if version is not None and version["run"]:
        service = str(version["run"]).partition("-")[0].partition(".")[0]
        event["run"]["facets"] |= _facets(parent=_parent(place, f"{service}.training", version["run"]))
    kind = {"processingType": "BATCH", "integration": "RUNG", "jobType": "INGEST"}
    event["job"] = {"namespace": place.namespace, "name": f"{dataset}.ingest", "facets": _facets(jobType=kind)}
    event["inputs"] = [] if source is None else [_named(*_location(place, source), _source_facets(place, source))]
    for parent in version["parents"] if version is not None else ():
        name, _, number = parent.partition("@")
        event["inputs"].append(_dataset(place, name, _facets(version={"datasetVersion": number})))
    event["outputs"] = [_written(place, dataset, version)]
    return event


def run_id(run: str) -> str:
    """Give the UUID that OpenLineage knows a run by: made of the SHA-256 of its id (RFC 9562, version 8).

    >>> run_id("housing-20261121-093012-1f3a07c")
    '7f9fa429-c156-8413-b704-224316481411'
    """
    digest = bytearray(hashlib.sha256(run.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _event(time: str, status: str) -> dict[str, Any]:
    return {"eventType": _TYPES[status], "eventTime": time, "producer": _PRODUCER, "schemaURL": _SCHEMA}


def _run(run: str, *, error: str | None) -> dict[str, Any]:
    facets: dict[str, Any] = {"processing_engine": {"name": "Rung", "version": __version__}}
    if error is not None:
        facets["errorMessage"] = {"message": error, "programmingLanguage": "PYTHON"}
    return {"runId": run_id(run), "facets": _facets(**facets)}


def _parent(place: Place, job: str, run: str) -> dict[str, Any]:
    return {"run": {"runId": run_id(run)}, "job": {"namespace": place.namespace, "name": job}}


def _read(place: Place, read: Mapping[str, Any]) -> dict[str, Any]:
    """Name what a task read: a version of a dataset, or a file of the workspace or from elsewhere with its content."""
    statistics = _facets(inputStatistics={"size": read["size"]})
    if "dataset" in read:
        found = _dataset(place, read["dataset"], _facets(version={"datasetVersion": str(read["version"])}))
    else:
        location = _location(place, read["path"])
        found = _named(*location, _facets(version={"datasetVersion": read["digest"]}))
    return {**found, "inputFacets": statistics}


def _artifact(place: Place, service: str, task: Mapping[str, Any]) -> dict[str, Any]:
    facets = _facets(version={"datasetVersion": task["digest"]})
    found = _named(place.namespace, f"{service}.{task['name']}", facets)
    return {**found, "outputFacets": _facets(outputStatistics={"size": task["size"]})}


def _written(place: Place, dataset: str, version: Mapping[str, Any] | None) -> dict[str, Any]:
    if version is None:
        return _dataset(place, dataset, {})
    fields = [{"name": name, "type": kind} for name, kind in version["columns"].items()]
    size, files = version["size"], len(version["files"])
    metrics = {"rowCount": version["rows"], "bytes": size, "fileCount": files, "columnMetrics": {}}
    facets = _facets(
        version={"datasetVersion": str(version["number"])}, schema={"fields": fields}, dataQualityMetrics=metrics
    )
    statistics = {"rowCount": version["added"] + version["changed"], "size": size, "fileCount": files}
    return {**_dataset(place, dataset, facets), "outputFacets": _facets(outputStatistics=statistics)}


def _dataset(place: Place, name: str, facets: dict[str, Any]) -> dict[str, Any]:
    return _named(*_location(place, f"{place.datasets}/{name}"), facets)


def _named(namespace: str, name: str, facets: dict[str, Any]) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "facets": facets}


def _location(place: Place, text: str) -> tuple[str, str]:
    """Give the namespace and the name of what lies at a path or a URL."""
    parts = urlsplit(text)
    if "://" not in text or parts.scheme == "file":
        path = parts.path if parts.scheme == "file" else text
        return "file", str((place.root / path).absolute())
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}", parts.path.lstrip("/") or "/"


def _source_facets(place: Place, source: str) -> dict[str, Any]:
    namespace, name = _location(place, source)
    uri = Path(name).as_uri() if namespace == "file" else f"{namespace}/{quote(name.lstrip('/'))}"
    return _facets(dataSource={"name": namespace, "uri": uri})


def _facets(**facets: dict[str, Any]) -> dict[str, Any]:
    """Say of each facet who made it and what it is."""
    found = {}
    for name, facet in facets.items():
        version, file = _FACETS[name]
        url = f"{_SPECIFICATION}/facets/{version}/{file}.json#/$defs/{file}"
        found[name] = {"_producer": _PRODUCER, "_schemaURL": url, **facet}
    return found
