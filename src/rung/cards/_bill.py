"""The bill of materials of a revision: CycloneDX 1.6 as JSON, with the model, its data and its packages as components.

https://cyclonedx.org/docs/1.6/json/; the machine learning part of it: https://cyclonedx.org/capabilities/mlbom/.
"""

from __future__ import annotations

import math
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from rung import __version__
from rung.cards._specification import bullets, consumer_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.cards._facts import Data, Facts, Kept
    from rung.cards._lock import Package
    from rung.lifecycle import GroupFinding

_NAMESPACE: Final = uuid.UUID("9a0a4d3e-5b0c-5d6e-8f7a-3c1d2e4b5a69")
"""Of the serial numbers of revisions; never changed."""
_ID: Final = r"\(?(0BSD|ISC|MIT|Unlicense|Zlib|[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9.+]+)+)\)?"
_SPDX: Final = re.compile(rf"{_ID}( (AND|OR|WITH) {_ID})*")
"""Identifiers as SPDX spells them, and expressions of these; `BSD` is none."""


def bill_of_materials(facts: Facts) -> dict[str, Any]:
    """Make the bill: the same facts make the same bill, whoever asks and whenever.

    The serial number follows from the revision and its run; `version` counts up with each verdict that is added.
    """
    verdicts = sum(len(attempt.verdicts) for attempt in facts.attempts)
    data = [_data(one) for one in facts.data]
    packages = [_package(one) for one in facts.packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{facts.name} {facts.revision.run}')}",
        "version": 1 + verdicts,
        "metadata": {
            "timestamp": facts.revision.created.isoformat(),
            "tools": {"components": [{"type": "application", "name": "rung", "version": __version__}]},
            "component": _model(facts, data),
        },
        "components": [*data, *packages],
        "dependencies": [
            {"ref": str(facts.name), "dependsOn": [one["bom-ref"] for one in (*data, *packages)]},
            *({"ref": one["bom-ref"]} for one in (*data, *packages)),
        ],
    }


def _model(facts: Facts, data: list[dict[str, Any]]) -> dict[str, Any]:
    name = facts.name
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": str(name),
        "name": name.service,
        "version": f"v{name.major}.m{name.minor}",
        "description": str(facts.front.get("title", "")),
        "authors": [{"name": facts.revision.actor}],
        "components": [_artifact(str(name), kept) for kept in facts.artifacts],
        "modelCard": _card(facts, data),
        "properties": list(_properties(facts)),
    }
    if facts.revision.commit is not None:
        model["pedigree"] = {"commits": [{"uid": facts.revision.commit}]}
    return model


def _artifact(owner: str, kept: Kept) -> dict[str, Any]:
    told = [("rung:format", kept.format), ("rung:bytes", str(kept.size))] if kept.format else []
    return {
        "type": "file",
        "bom-ref": f"{owner}/{kept.name}",
        "name": f"{kept.name}.artifact",
        "hashes": [_hash(kept.digest)],
        "properties": [{"name": key, "value": value} for key, value in told],
    }


def _properties(facts: Facts) -> Iterator[dict[str, str]]:
    run = facts.run
    told = {
        "rung:state": str(facts.revision.state),
        "rung:because": facts.revision.reason,
        "rung:run": facts.revision.run,
        "rung:dirty": str(facts.revision.dirty).lower(),
        "rung:python": facts.python,
        "rung:seed": str(run["seed"]),
        **{f"rung:owner:{role}": str(who) for role, who in sorted(facts.front.get("owners", {}).items())},
    }
    for attempt in facts.attempts:
        told |= {f"rung:gate:{attempt.id}:{one.gate}": f"{one.kind}: {one.because}" for one in attempt.verdicts}
    yield from ({"name": name, "value": value} for name, value in told.items())


def _card(facts: Facts, data: list[dict[str, Any]]) -> dict[str, Any]:
    routes: Mapping[str, Any] = {} if facts.bundle is None else facts.bundle.contract.get("routes", {})
    settings = sorted(facts.run["hyperparameters"].items())
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "datasets": [{"ref": one["bom-ref"]} for one in data],
            "inputs": [{"format": f"application/json: instances of the route {route}"} for route in sorted(routes)],
            "outputs": [{"format": f"application/json: predictions of the route {route}"} for route in sorted(routes)],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(facts))},
        "considerations": {
            "users": consumer_names(facts.front),
            "useCases": bullets(facts.sections.get("Role in the product", "")),
            "technicalLimitations": bullets(facts.sections.get("Pitfalls", "")),
            "fairnessAssessments": [_assessment(one) for one in facts.groups],
        },
        "properties": [{"name": f"rung:hyperparameter:{name}", "value": str(value)} for name, value in settings],
    }


def _metrics(facts: Facts) -> Iterator[dict[str, Any]]:
    for name, value in sorted(facts.run["metrics"].items()):
        yield {"type": name, "value": f"{value:.6g}", "slice": "held-out rows"}
    for finding in facts.groups:
        for group in finding.disparity.groups:
            if group.value is None or not math.isfinite(group.value):
                continue
            told: dict[str, Any] = {
                "type": finding.measure,
                "value": f"{group.value:.6g}",
                "slice": f"{finding.attribute}: {group.name} ({group.rows} rows)",
            }
            if group.interval is not None:
                low, high = group.interval
                told["confidenceInterval"] = {"lowerBound": f"{low:.6g}", "upperBound": f"{high:.6g}"}
            yield told


def _assessment(finding: GroupFinding) -> dict[str, str]:
    told = {"harms": f"{finding.measure}: {finding.because}"}
    if finding.disparity.lowest is not None:
        told = {"groupAtRisk": f"{finding.attribute}: {finding.disparity.lowest}", **told}
    if finding.limit is not None:
        told["mitigationStrategy"] = f"the data gate fails where groups are surely more than {finding.limit:g} apart"
    return told


def _data(data: Data) -> dict[str, Any]:
    ref = f"data:{data.name}@{data.version}" if data.version else f"data:{data.name}"
    component: dict[str, Any] = {"type": "data", "bom-ref": ref, "name": data.name}
    if data.version:
        component["version"] = data.version
    if data.description:
        component["description"] = data.description
    return {
        **component,
        "hashes": [_hash(data.digest)],
        **_licences(data.licence),
        "data": [{"type": "dataset", "name": data.name}],
        "properties": [
            {"name": name, "value": value}
            for name, value in (("rung:bytes", str(data.size)), ("rung:owner", data.owner))
            if value
        ],
    }


def _package(package: Package) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "purl": package.purl,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in package.hashes],
        **_licences(package.licence),
    }
    if package.version:
        component["version"] = package.version
    if package.url:
        component["externalReferences"] = [{"type": "distribution", "url": package.url}]
    return component


def _licences(licence: str) -> dict[str, Any]:
    """Give an SPDX expression as one, and anything else by its name."""
    if not licence:
        return {}
    if _SPDX.fullmatch(licence):
        return {"licenses": [{"expression": licence}]}
    return {"licenses": [{"license": {"name": licence}}]}


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}
