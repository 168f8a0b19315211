"""MLflow follows what happens on the platform: a process of its own is started where something may be new there."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rung.mlflow import behind
from rung.training import mirror_soon

if TYPE_CHECKING:
    from rung.registry import Registry
    from rung.workspace import Workspace

__all__ = ["Mirroring"]

_EVERY_S: Final = 15.0
_AGAIN_S: Final = 60.0  # after which what MLflow did not take is tried again


@dataclass(slots=True, kw_only=True)
class Mirroring:
    """Looks now and then whether there is anything to tell."""

    workspace: Workspace
    registry: Registry
    tracking: str | None
    """As in rung.toml; None: nobody is told."""
    _looked: float = -math.inf
    """Monotonic seconds."""
    _told: float = -math.inf
    _seen: int | None = None
    """The event after which MLflow was told last."""

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return self.tracking is not None and time.monotonic() - self._looked >= _EVERY_S

    def look(self) -> None:
        """Start the process where something happened, or something was not taken yet."""
        assert self.tracking is not None  # noqa: S101  else it is never due
        self._looked = time.monotonic()
        newest = self.registry.newest_event()
        identity = None if newest is None else newest.id
        is_late = self._looked - self._told >= _AGAIN_S and bool(behind(self.workspace, self.registry, self.tracking))
        if identity != self._seen or is_late:
            self._told, self._seen = self._looked, identity
            mirror_soon(self.workspace)
