"""Logins of this user, by the control plane that they are for: one file in their own configuration, mode 0600."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.access._device import Session
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping


def keep_session(control: str, session: Session) -> None:
    """Keep a login, in place of an earlier one at the same control plane."""
    _write({**_read(), control: asdict(session)})


def read_session(control: str) -> Session | None:
    """Give the login at a control plane; None when there is none."""
    found = _read().get(control)
    return None if found is None else Session(**found)


def forget_session(control: str) -> bool:
    """Forget a login; tell whether there was one."""
    found = _read()
    if found.pop(control, None) is None:
        return False
    _write(found)
    return True


def _path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "rung" / "logins.json"


def _read() -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(_path().read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _write(sessions: Mapping[str, object]) -> None:
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps(sessions).encode(), private=True)
