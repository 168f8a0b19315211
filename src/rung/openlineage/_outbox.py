"""The file of events, and the process that sends them: whoever emits waits for neither."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from rung.errors import RungError
from rung.openlineage._event import Place, ingest_event, training_event
from rung.workspace import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.openlineage._event import Status
    from rung.workspace import Workspace

__all__ = ["EVENTS", "SENT", "emit_ingest", "emit_training", "send_soon"]

EVENTS: Final = "openlineage.jsonl"
"""In `.rung/log/`, one event a line."""
SENT: Final = "openlineage.sent"
"""How many bytes of it the server has."""
_SETTING: Final = b"openlineage_url"
_DETACHED: Final = '"$@" >/dev/null 2>&1 </dev/null &'
"""The sender belongs to nobody: nobody waits for it, and it ends by itself."""


def emit_training(workspace: Workspace, record: Mapping[str, Any]) -> None:
    """Tell that a training began, succeeded or failed, by its status; never raises and never waits.

    Args:
        workspace: Where it runs.
        record: A `RunRecord` as JSON data, as far as it is filled in.
    """
    _emit(workspace, lambda place: training_event(place, record), is_over=record["status"] != "running")


def emit_ingest(
    workspace: Workspace,
    dataset: str,
    *,
    run: str,
    status: Status,
    source: str | None = None,
    version: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Tell that rows begin to come into a dataset, came, or did not; never raises and never waits.

    Args:
        workspace: Where that happens.
        dataset: Its name.
        run: Anything that tells this ingest from others; the same at its begin and at its end.
        status: How far it is.
        source: Where the rows come from, without secrets: a path or a URL.
        version: The `Version` that it made, as JSON data; None when there was nothing new, or not yet.
        error: Why it failed.
    """
    time = datetime.now(UTC).isoformat(timespec="milliseconds")

    def event(place: Place) -> dict[str, Any]:
        return ingest_event(
            place, dataset, run=run, time=time, status=status, source=source, version=version, error=error
        )

    _emit(workspace, event, is_over=status != "running")


def send_soon(workspace: Workspace) -> None:
    """Let what was not sent yet be sent, where `rung.toml` names a server; returns at once."""
    with contextlib.suppress(OSError):
        if _SETTING in (workspace.root / MARKER).read_bytes() and _waits(workspace.state / "log"):
            argv = [sys.executable, "-m", "rung.openlineage.send", str(workspace.root), str(workspace.state)]
            subprocess.run(["/bin/sh", "-c", _DETACHED, "sh", *argv], check=False, start_new_session=True)


def _waits(folder: Path) -> bool:
    """Say whether something was not sent yet."""
    size = (folder / EVENTS).stat().st_size
    sent = folder / SENT
    return not sent.is_file() or sent.read_text() != str(size)


def _emit(workspace: Workspace, event: Callable[[Place], dict[str, Any]], *, is_over: bool) -> None:
    """Append an event; a training of the platform leaves the sending to the control plane, which has the key."""
    with contextlib.suppress(OSError, LookupError, ValueError, TypeError, RungError):  # no work fails for this
        line = json.dumps(event(_place(workspace)), ensure_ascii=False, default=str) + "\n"
        path = workspace.state / "log" / EVENTS
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(handle, line.encode(errors="replace"))
        finally:
            os.close(handle)
    if is_over and "RUNG_REVISION" not in os.environ:
        send_soon(workspace)


def _place(workspace: Workspace) -> Place:
    home = workspace.state.parent if workspace.state.name == ".rung" else workspace.root
    return Place(
        namespace=f"rung:{home.name}",
        root=workspace.root,
        datasets=_datasets(workspace),
        repository=_repository(home / ".git" / "config"),
    )


def _datasets(workspace: Workspace) -> str:
    """Tell where datasets lie; without the settings being read where none names a storage, which takes long."""
    is_set = os.environ.get("RUNG_STORAGE") or b"storage" in (workspace.root / MARKER).read_bytes()
    return f"{workspace.lake() if is_set else workspace.state / 'lake'}/datasets"


def _repository(path: Path) -> str | None:
    """Give the URL of the repository's origin, without a user or a password; None without one that is a URL."""
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return None
    parts = urlsplit(config.get('remote "origin"', "url", fallback=""))
    if parts.scheme not in {"https", "http", "ssh", "git"} or not parts.hostname:
        return None
    host = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
