"""Files that a web server has: one GET, into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rung.data.sources._names import format_of, packing_of
from rung.data.sources._piece import Asked, Copied, Piece
from rung.data.sources._public import public, without_secrets
from rung.errors import CallError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

__all__ = ["fetched"]

_TIMEOUT_S = 60.0  # without a byte
_TYPES = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/json": "json",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "excel",
    "application/vnd.ms-excel": "excel",
}
_NOT_NOW = frozenset({408, 425, 429})


def fetched(url: str, asked: Asked) -> Piece:
    """Name the one file that a URL is; its type is asked for where its name does not tell.

    Raises:
        NotFoundError: The server has no such file.
        UnavailableError: It does not answer.
    """
    path = unquote(urlsplit(url).path)
    return Piece(
        name=public(url),
        format=format_of(path, asked.format) or _type(url),
        packed=packing_of(path),
        fetch=lambda target, copied: _fetch(url, target, copied),
    )


def _type(url: str) -> str:
    """Ask what a file is."""
    with _Answer(url, "HEAD") as answer:
        told = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told not in _TYPES:
        raise CallError(
            f"neither the name of {public(url)} nor its type {told!r} tells what it is",
            hint="give --format, as --format csv",
        )
    return _TYPES[told]


def _fetch(url: str, target: Path, copied: Copied) -> None:
    with _Answer(url, "GET") as answer, target.open("wb") as file:
        for chunk in answer.iter_bytes(1 << 20):
            file.write(chunk)
            copied(len(chunk))


class _Answer:
    """An answer of a server, as a context; what goes wrong is told without the secrets of the URL."""

    def __init__(self, url: str, method: str) -> None:
        self._url, self._method = url, method

    def __enter__(self) -> httpx2.Response:
        import httpx2  # noqa: PLC0415  takes a tenth of a second

        self._client = httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S)
        self._kinds = httpx2.HTTPError, httpx2.InvalidURL
        try:
            self._answer = self._client.send(self._client.build_request(self._method, self._url), stream=True)
        except self._kinds as error:
            self._client.close()
            raise self._away(error) from None
        if self._answer.is_error:
            self._close()
            self._refuse(self._answer.status_code)
        return self._answer

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self._close()
        if isinstance(error, self._kinds):
            raise self._away(error) from None

    def _close(self) -> None:
        self._answer.close()
        self._client.close()

    def _away(self, error: object) -> UnavailableError:
        told = without_secrets(str(error), self._url) or type(error).__name__
        return UnavailableError(
            f"{public(self._url)} was not sent ({told})", hint="is the server there? the same again works when it is"
        )

    def _refuse(self, status: int) -> None:
        told = f"{public(self._url)} was refused with status {status}"
        if status >= 500 or status in _NOT_NOW:  # noqa: PLR2004  the server's own trouble
            raise UnavailableError(told, hint="wait, then the same again")
        if status in {404, 410}:
            raise NotFoundError(f"there is nothing at {public(self._url)} (status {status})", hint="is the URL right?")
        raise CallError(told, hint="is a token or a password in the URL missing, or out of date?")
