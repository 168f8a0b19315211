"""The converted models of a revision, as files: those alone with which its handlers predicted the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.artifacts import LocalStore, decode
from rung.conversion import artifact_name
from rung.errors import ConflictError
from rung.exports._folder import new_folder
from rung.training import RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.exports._export import Export


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A converted model that was written."""

    artifact: str
    """Whose native model it stands for, as `build_model`."""
    digest: str
    """Of the artifact that holds it."""
    size: int
    """Bytes of the file."""


def write_onnx(export: Export, output: Path) -> list[Model]:
    """Write `NAME.onnx` for each converted model that passed the parity gate, and beside it `NAME.json`.

    That has the signature (what the model takes and gives), the verdict with its tolerance, and where both come from.

    Args:
        export: The revision.
        output: A folder that is not there yet, or empty.

    Raises:
        ConflictError: No model passed; or the folder is there, and not empty.
        CallError: It cannot be written.
        IntegrityError: An artifact is missing, or not what was kept.
    """
    verdicts = RunRecord.from_json(dict(export.run)).conversions
    kept = export.bundle.artifacts
    passed = [
        name for name, told in sorted(verdicts.items()) if told["verdict"] == "equal" and artifact_name(name) in kept
    ]
    if not passed:
        raise ConflictError(
            f"{export.name} has no converted model to export: {_because(verdicts)}",
            hint='`Artifact("build_model", runtime="onnx")` in a handler has the next training convert it',
        )
    with new_folder(output) as folder:
        return [_write(export, name, verdicts[name], folder) for name in passed]


def _because(verdicts: Mapping[str, Mapping[str, Any]]) -> str:
    told = [f"{name}: {verdict['verdict']}, {verdict['because']}" for name, verdict in sorted(verdicts.items())]
    return "; ".join(told) or "its handlers ask for none"


def _write(export: Export, name: str, verdict: Mapping[str, Any], folder: Path) -> Model:
    digest = export.bundle.artifacts[artifact_name(name)]
    value = decode(LocalStore(export.place.workspace.artifacts).get(digest), digest=digest)
    content = bytes(value["onnx"])
    told = {
        "revision": str(export.name),
        "artifact": name,
        "digest": digest,
        "signature": value["signature"],
        "verdict": dict(verdict),
    }
    (folder / f"{name}.onnx").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Model(artifact=name, digest=digest, size=len(content))
