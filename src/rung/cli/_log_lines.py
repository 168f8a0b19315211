"""Lines of a log for people: a server writes JSON, everything else what it likes."""

from __future__ import annotations

import json
from typing import Any

import click

_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}
_SAID_BEFORE = frozenset({"time", "level", "event", "logger", "revision", "exception"})


def readable(line: str) -> str:
    """Write one line as people read it; what is not of a server is left as it is.

    >>> readable('{"time": "2026-11-21T22:00:01.250+00:00", "level": "info", "event": "asked", "request_id": "7f"}')
    '22:00:01.250  info     asked  request_id=7f'
    >>> readable("Traceback (most recent call last):")
    'Traceback (most recent call last):'
    """
    found = _object(line)
    if found is None or not {"time", "level", "event"} <= found.keys():
        return line
    level = str(found["level"])
    told = "".join(f"  {name}={value}" for name, value in found.items() if name not in _SAID_BEFORE)
    shown = click.style(f"{level:<7}", fg=_LEVELS[level]) if level in _LEVELS else f"{level:<7}"
    raised = f"\n{found['exception']}" if found.get("exception") else ""
    return f"{str(found['time'])[11:23]}  {shown}  {found['event']}{told}{raised}"


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
