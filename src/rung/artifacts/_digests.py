"""Digests of artifacts: `sha256:` and 64 hexadecimal digits. Called by the store, by `decode`, by who records runs."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import CallError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(data: bytes | memoryview) -> str:
    """Compute the digest of bytes.

    >>> digest_of(b"")[:15]
    'sha256:e3b0c442'
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file_digest(path: Path) -> str:
    """Compute the digest of a file's bytes, whatever its size."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def verify(source: bytes | Path, digest: str, *, name: str = "") -> None:
    """Check that bytes, or a file, are those with this digest.

    Args:
        source: the bytes, or the file's path.
        digest: what they must give.
        name: how an error names them; the path by default.

    Raises:
        CallError: this is no digest.
        IntegrityError: they differ, or there is no such file.
    """
    hexadecimal(digest)
    named = name or (str(source) if isinstance(source, Path) else "the artifact")
    if isinstance(source, Path):
        with opened(source, named) as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    else:
        actual = digest_of(source)
    if actual != digest:
        raise IntegrityError(
            f"{named} is not what was written: its bytes give {actual}, not {digest}",
            hint="run the task that made it again",
        )


def hexadecimal(digest: str) -> str:
    """Give the 64 digits of a digest.

    Raises:
        CallError: this is no digest.
    """
    if not _FORM.fullmatch(digest):
        raise CallError(f"{digest!r} is no digest", hint="a digest is sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")


@contextlib.contextmanager
def opened(path: Path, name: str = "") -> Iterator[BufferedReader]:
    """Open an artifact's file for reading.

    Raises:
        IntegrityError: there is none.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise IntegrityError(f"{name or path} is missing", hint="run the task that made it again") from error
