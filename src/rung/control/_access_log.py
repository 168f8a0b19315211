"""The gateway's access log, which would grow for ever: begun anew when it is long, and packed away.

Envoy writes `access.log` beside its sockets, often in memory. What is packed lies in `.rung/log/access/`, named by when
it was packed; the oldest go. Each look does what is next, so that nothing is lost when a look is cut short.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rung.gateway import Gateway

_LONG_BYTES = 64 << 20
_FLUSHED_S = 10.0
"""After it was begun anew, Envoy may write its last lines into the old one for a moment."""
_MOST_PACKED = 64
_LEVEL = 3  # of gzip: an eighth of the size, half a second


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLog:
    """That of one gateway."""

    gateway: Gateway
    packed: Path
    """Folder, made when something is packed."""

    def look(self) -> int:
        """Begin the log anew when it is long, or pack the one before; give the bytes that were packed.

        Raises:
            GatewayError: The gateway does not answer.
            LeaseLostError: Another control plane leads.
        """
        old, log = self.gateway.old_access_log, self.gateway.access_log
        if old.exists():
            if log.exists():
                return self._pack(old) if time.time() - old.stat().st_mtime > _FLUSHED_S else 0
            self.gateway.rotate_log()  # Envoy was not told, or has had nothing to write since
        elif log.exists() and log.stat().st_size >= _LONG_BYTES:
            self.gateway.rotate_log()
        return 0

    def _pack(self, old: Path) -> int:
        self.packed.mkdir(parents=True, exist_ok=True, mode=0o700)
        size, stamp = old.stat().st_size, datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        target = self.packed / f"access-{stamp}.log.gz"
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        with old.open("rb") as source, gzip.open(unfinished, "wb", compresslevel=_LEVEL) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
        unfinished.replace(target)
        old.unlink()
        for oldest in sorted(self.packed.glob("access-*.log.gz"))[:-_MOST_PACKED]:
            oldest.unlink()
        return size
