"""Any other place that fsspec knows, as `zip://*.csv::sales.zip`, `ftp://`, `sftp://`, `gs://` or `abfs://`."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
import zlib
from glob import has_magic
from typing import TYPE_CHECKING, Any

from rung.data.sources._names import fixed, format_of, packing_of
from rung.data.sources._piece import Asked, Copied, Piece
from rung.data.sources._public import public, scheme, without_secrets
from rung.errors import CallError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["opened"]

_CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError)  # the last one: it is encrypted


def opened(url: str, asked: Asked) -> Iterator[Piece]:
    """Name the files that a URL means; a pattern may mean several.

    Raises:
        CallError: Nothing that is installed knows the scheme.
        NotFoundError: There is nothing of that name.
        UnavailableError: The place does not answer.
    """
    try:
        import fsspec  # noqa: PLC0415  optional: the extra data

        files = fsspec.open_files(url, "rb")
        below = fixed(fsspec.core.url_to_fs(url)[1]) if has_magic(url) else None
    except ImportError as error:
        raise CallError(f"{scheme(url)}:// cannot be read here ({error})", hint="pip install what it names") from None
    except FileNotFoundError:
        raise NotFoundError(f"there is nothing at {public(url)}", hint="is the name right?") from None
    except ValueError as error:
        raise CallError(
            f"{public(url)} is not understood ({without_secrets(str(error), url)})",
            hint="a path, a folder, a glob or a URL names a source",
        ) from None
    except _BROKEN as error:
        raise _broken(url, error) from None
    except OSError as error:
        raise _away(url, error) from None
    if not files:
        raise NotFoundError(f"there is nothing at {public(url)}", hint="is the name right?")
    for file in files:
        yield _piece(url, file, asked, below=below)


def _piece(url: str, file: Any, asked: Asked, *, below: str | None) -> Piece:
    def fetch(target: Path, copied: Copied) -> None:
        with target.open("wb") as copy:
            for chunk in _chunks(url, file):
                copy.write(chunk)
                copied(len(chunk))

    return Piece(
        name=public(url) if below is None else f"{public(url)}: {file.path}",
        format=format_of(file.path, asked.format) or "",
        packed=packing_of(file.path),
        fetch=fetch,
        within=None if below is None else posixpath.normpath(file.path.removeprefix(below)).strip("/"),
    )


def _chunks(url: str, file: Any) -> Iterator[bytes]:
    try:
        with file as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
    except FileNotFoundError:
        raise NotFoundError(f"there is nothing at {public(url)}", hint="is the name right?") from None
    except _BROKEN as error:
        raise _broken(url, error) from None
    except OSError as error:
        raise _away(url, error) from None


def _broken(url: str, error: Exception) -> CallError:
    return CallError(
        f"{public(url)} is no archive that can be read ({without_secrets(str(error), url)})",
        hint="is it whole, and without a password?",
    )


def _away(url: str, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{public(url)} cannot be read ({without_secrets(str(error), url)})",
        hint="is the place there? the same again works when it is",
    )
