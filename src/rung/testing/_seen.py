"""What was seen of a service's code in the workspace: whether `rung check` and its serving tests passed, on which code.

Kept by the digest of the code, so that it speaks of a deployed revision just as well, and of nothing that was changed
since. `rung check` and `rung test` keep it; the guided path and the seven questions read it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_APART = frozenset({"__pycache__", "notebooks", "experiments", ".ipynb_checkpoints"})
_CODE = frozenset({".py", ".txt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one state of a service's code."""

    is_checked: bool = False
    """`rung check` passed on it."""
    serving: Mapping[str, bool] | None = None
    """Serving tests by name, and whether they passed; None: they have not run on it."""

    @property
    def passed(self) -> frozenset[str] | None:
        """The serving tests that passed; None: none has run."""
        return None if self.serving is None else frozenset(name for name, passed in self.serving.items() if passed)

    @property
    def failed(self) -> frozenset[str]:
        """The serving tests that did not."""
        return frozenset(name for name, passed in (self.serving or {}).items() if not passed)


def code_digest(folder: Path) -> str | None:
    """Name the code of a service's package: modules, pins, packages; neither prose nor notebooks. None without any."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _CODE and path.is_file() and not _APART & set(path.relative_to(folder).parts)
    )
    if not found:
        return None
    whole = hashlib.sha256()
    for path in found:
        content = path.read_bytes()
        whole.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return "sha256:" + whole.hexdigest()


def keep_seen(state: Path, service: str, folder: Path, **found: Any) -> None:
    """Keep what was found of a service's code as it is now.

    Args:
        state: The workspace's state folder.
        service: Its name.
        folder: Its package.
        found: `is_checked`, or `serving`: whether each test passed.
    """
    path, digest = _path(state, service), code_digest(folder)
    known = _read(path)
    before = {} if known.get("code") != digest else known
    path.parent.mkdir(parents=True, exist_ok=True)
    now = {**before, "code": digest, "time": datetime.now(UTC).isoformat(), **found}
    write_atomically(path, json.dumps(now, indent=1).encode())


def read_seen(state: Path, service: str, folder: Path) -> Seen:
    """Give what is known of the code in a folder: in the workspace, or in the snapshot of a revision."""
    known = _read(_path(state, service))
    if not known or known.get("code") != code_digest(folder):
        return Seen()
    return Seen(is_checked=bool(known.get("is_checked")), serving=known.get("serving"))


def _read(path: Path) -> dict[str, Any]:
    """Read what is kept; what cannot be read was not seen."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _path(state: Path, service: str) -> Path:
    return state / "seen" / f"{service}.json"
