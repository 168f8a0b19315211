"""Files from elsewhere that a training needs: fetched in its code, so that it can be repeated.

What lies behind a URL may change, so its digest stands beside it. A file is kept once, by its digest, in the cache of
the workspace, and is not asked for again. `fetched` calls this.
"""

from __future__ import annotations

import os
import re
import secrets
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rung.artifacts import file_digest
from rung.errors import CallError, IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from rung.data.sources import Piece
    from rung.workspace import Workspace

__all__ = ["fetch"]

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_WEB: Final = frozenset({"http", "https"})
_LONGEST: Final = 100  # letters of a name


def fetch(workspace: Workspace, url: str, sha256: str) -> tuple[dict[str, Any], Path]:
    """Give the record of a file from elsewhere, and where it lies; see `fetched`."""
    from rung.data.sources import public  # noqa: PLC0415  most trainings read files alone

    name, found = public(url), _DIGEST.fullmatch(sha256)
    if found is None:
        raise CallError(
            f"fetched({name!r}) has sha256={sha256!r}, which is no digest",
            hint="64 hexadecimal digits, as `curl --location URL | sha256sum` tells them",
        )
    digest, kept = f"sha256:{found[1]}", f"{found[1]}/{_name(url)}"
    path = workspace.fetched / kept
    if path.is_file() and file_digest(path) == digest:
        path.touch()  # `rung gc` removes what nobody needed for long
    else:
        _fetch(url, path, digest=digest)
    return {"path": name, "digest": digest, "size": path.stat().st_size, "fetched": kept}, path


def _name(url: str) -> str:
    """Give the file's own name: libraries go by what it ends with."""
    name = PurePosixPath(urlsplit(url).path).name[-_LONGEST:]
    return "file" if name in {"", ".."} else name


def _fetch(url: str, path: Path, *, digest: str) -> None:
    """Bring a file: whole and with its digest, or not at all."""
    piece = _piece(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    assert piece.fetch is not None  # noqa: S101  it lies elsewhere
    try:
        piece.fetch(partial, lambda _: None)
        if (found := file_digest(partial)) != digest:
            raise IntegrityError(
                f"{piece.name} has the digest {found}, and {digest} was asked for",
                hint="has it changed? look at what is there now, then write its digest",
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _piece(url: str) -> Piece:
    from rung.data import sources  # noqa: PLC0415  as above

    asked = sources.Asked(format=sources.FILES)  # as it is
    kind = sources.scheme(url)
    if kind in _WEB:
        return sources.fetched(url, asked)
    pieces = list(islice(sources.objects(url, asked), 2)) if kind == "s3" else []
    if len(pieces) != 1:
        raise CallError(
            f"{sources.public(url)} names no single file elsewhere",
            hint="write http://, https:// or s3:// and the whole name; for a file of the workspace call data_file",
        )
    return pieces[0]
