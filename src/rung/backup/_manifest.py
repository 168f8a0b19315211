"""The manifest of a backup: every file by path and digest; written last, so that a backup is whole or not there."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rung.errors import IntegrityError, NotFoundError, WorkspaceError

if TYPE_CHECKING:
    from rung.objects import Objects

NAME = "backup.json"
FORMAT = 1
REGISTRY = "registry.dump"
SETTINGS = "rung.toml"
_FOLDERS = ("artifacts/", "keys/trusted/", "lake/", "runs/", "revisions/", "studies/")
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """One file."""

    path: str
    """Below the state folder, with / between its parts."""
    digest: _Digest
    size: Annotated[int, Field(ge=0)]

    @field_validator("path")
    @classmethod
    def _is_inside(cls, path: str) -> str:
        parts = path.split("/")
        if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
            raise ValueError("it leads out of the state folder")
        if not path.startswith(_FOLDERS) and path not in {REGISTRY, SETTINGS}:
            raise ValueError("it is not a part of the state")
        return path

    @property
    def key(self) -> str:
        """Where its bytes are in the backup."""
        return key_of(self.digest)


class TableVersion(_Part):
    """A table of the lake as it was."""

    id: str
    version: int


class Manifest(_Part):
    """All of one backup."""

    format: int
    made: datetime
    """When it began: what was acknowledged before is in it."""
    rung: str
    """Version of Rung that made it."""
    registry_schema: str
    storage: str | None
    """The store that had the artifacts and tables that are not among the files."""
    files: list[File]
    stored: list[_Digest]
    """Artifacts that were seen in the storage."""
    tables: dict[str, TableVersion]
    counts: dict[str, int]
    """Rows of the registry, by table."""

    @property
    def size(self) -> int:
        """Bytes of all files; of equal ones once."""
        return sum({file.digest: file.size for file in self.files}.values())


def key_of(digest: str) -> str:
    """Tell where bytes are in a backup."""
    digits = digest.removeprefix("sha256:")
    return f"blobs/{digits[:2]}/{digits[2:]}"


def write_manifest(place: Objects, manifest: Manifest) -> None:
    """Make a backup valid, in place of the one before."""
    content = manifest.model_dump(mode="json")
    whole = {"digest": _digest(content), "backup": content}
    place.replace(NAME, json.dumps(whole, indent=1).encode())


def read_manifest(place: Objects) -> Manifest:
    """Read the manifest of the last whole backup.

    Raises:
        NotFoundError: There is none.
        IntegrityError: It is damaged, or names a file outside of the state folder.
        WorkspaceError: A newer Rung made it.
    """
    where = f"{place.url}/{NAME}"
    data = place.read(NAME)
    if data is None:
        raise NotFoundError(f"there is no backup in {place.url}", hint="`rung backup TARGET` makes one")
    try:
        whole = json.loads(data)
        content = whole["backup"]
        if whole["digest"] != _digest(content):
            raise IntegrityError(f"{where} is damaged: its digest is not that of its content", hint="take another one")
        if int(content["format"]) > FORMAT:
            raise WorkspaceError(
                f"{where} has format {content['format']}, made by Rung {content['rung']}; this one knows {FORMAT}",
                hint="upgrade Rung",
            )
        return Manifest.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise IntegrityError(f"{where}: {'.'.join(map(str, found['loc']))}: {found['msg']}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{where} is damaged ({error})", hint="take another one") from error


def _digest(content: Any) -> str:
    spelled = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return f"sha256:{hashlib.sha256(spelled).hexdigest()}"
