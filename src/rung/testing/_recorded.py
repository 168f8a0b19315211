"""Calls of a handler to other systems, held against a recording: authors use it in `tests/serve/`.

Recordings are made by vcrpy, which catches the calls of httpx2, httpx, requests, urllib3 and aiohttp alike. Without
RUNG_RECORD nothing leaves the machine: what was not recorded fails, and so does what is not asked any more.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.errors import ConflictError, NotFoundError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORD: Final = "RUNG_RECORD"
"""Set to 1, calls go to the real thing, and recordings are made anew."""

_SECRET: Final = (
    *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "private-token"),
    *("access_token", "refresh_token", "client_secret", "api_key", "apikey", "token", "password", "secret"),
)
"""Headers, query parameters and JSON fields that are never kept."""
_HIDDEN: Final = "REDACTED"
_MATCHED: Final = ("method", "scheme", "host", "port", "path", "query", "body")
_SHOWN: Final = 3


@contextmanager
def recorded(name: str, *, path: str | Path, redact: Sequence[str] = ()) -> Iterator[None]:
    """Answer the calls that are made in the block from a recording; with RUNG_RECORD=1 let them through, and record.

    Secrets are left out: headers, query parameters and JSON fields with the usual names, and those in `redact`.

    Args:
        name: Of the recording: `NAME.json` in the folder.
        path: The folder, as `Path(__file__).parent / "recordings"`.
        redact: Further names whose values are left out, whatever their case.

    Raises:
        NotFoundError: There is no such recording.
        ConflictError: A call was made that is not in it, or one is in it that is not made any more.
        WorkspaceError: vcrpy is not installed.
    """
    file = Path(path) / f"{name}.json"
    hidden = frozenset(word.lower() for word in (*_SECRET, *redact))
    if os.environ.get(RECORD) == "1":
        with _recording(file, hidden):
            yield
        return
    if not file.is_file():
        raise NotFoundError(f"there is no recording {file}", hint=f"make it: {RECORD}=1, with the real thing in reach")
    calls: set[tuple[str, str, bytes]] = set()
    with _vcr(hidden, calls, record_mode="none").use_cassette(str(file), allow_playback_repeats=True) as cassette:
        known = {_call(request) for request in cassette.requests}
        calls.clear()  # of reading the recording
        try:
            yield
        except Exception as error:
            if calls - known:
                raise _unknown(calls - known, file) from error
            raise
        if calls - known:
            raise _unknown(calls - known, file)
        if stale := known - calls:
            raise ConflictError(
                f"{file.name} has {len(stale)} of {len(known)} calls that are not made any more: {_told(stale)}",
                hint=f"record it anew: {RECORD}=1",
            )


@contextmanager
def _recording(file: Path, hidden: frozenset[str]) -> Iterator[None]:
    """Record; what was recorded before stays when the block fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with _vcr(hidden, set(), record_mode="all").use_cassette(str(fresh)):
            yield
        if not fresh.is_file():
            raise ConflictError(f"no call was made, so there is nothing to record in {file.name}", hint="leave it out")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _vcr(hidden: frozenset[str], calls: set[tuple[str, str, bytes]], *, record_mode: str) -> Any:
    try:
        import vcr  # noqa: PLC0415  an extra
    except ImportError as error:
        raise WorkspaceError("recordings need vcrpy", hint="pip install 'rung[record]'") from error

    def ask(request: Any) -> Any:
        request.headers = {key: _HIDDEN if key.lower() in hidden else value for key, value in request.headers.items()}
        request.body = _without(request.body, hidden)
        calls.add(_call(request))
        return request

    def answer(response: dict[str, Any]) -> dict[str, Any]:
        headers = {key: value for key, value in response["headers"].items() if key.lower() not in _UNTRUE | hidden}
        body = {**response["body"], "string": _without(response["body"].get("string"), hidden) or b""}
        return {**response, "headers": headers, "body": body}

    return vcr.VCR(
        serializer="json",
        record_mode=record_mode,
        match_on=_MATCHED,
        decode_compressed_response=True,
        filter_query_parameters=[(word, _HIDDEN) for word in sorted(hidden)],
        before_record_request=ask,
        before_record_response=answer,
    )


_UNTRUE: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers that do not hold for an answer without its secrets."""


def _without(body: Any, hidden: frozenset[str]) -> Any:
    """Leave secrets out of a body that is JSON; any other stays as it is."""
    try:
        value = json.loads(body)
    except (TypeError, ValueError):
        return body
    return json.dumps(_scrubbed(value, hidden)).encode()


def _scrubbed(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _HIDDEN if key.lower() in hidden else _scrubbed(inner, hidden) for key, inner in value.items()}
    return [_scrubbed(inner, hidden) for inner in value] if isinstance(value, list) else value


def _call(request: Any) -> tuple[str, str, bytes]:
    body = request.body or b""
    return request.method, request.uri, body.encode() if isinstance(body, str) else bytes(body)


def _unknown(calls: set[tuple[str, str, bytes]], file: Path) -> ConflictError:
    return ConflictError(
        f"{_told(calls)} is not in {file.name}, and nothing is asked without {RECORD}",
        hint=f"does the handler ask what it should? Then record it: {RECORD}=1",
    )


def _told(calls: set[tuple[str, str, bytes]]) -> str:
    shown = [f"{method} {uri}" for method, uri, _ in sorted(calls)[:_SHOWN]]
    more = f" and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else ""
    return ", ".join(shown) + more
