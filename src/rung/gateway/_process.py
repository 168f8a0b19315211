"""The command that runs Envoy, and what lets a second one take over from it: a base id and the number of the start.

Hot restart, as Envoy has it: the new process asks the old one for its listening sockets and its counters, and reads its
own configuration; the old one finishes what it has begun, and ends. They talk over sockets in the gateway's folder, so
that nobody else can ask for the listening ones.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final

__all__ = ["LOG_FLUSH_MS", "arguments", "can_hand_over"]

LOG_FLUSH_MS: Final = 500
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  where Linux keeps what two Envoys share
_SOCKETS: Final = "h"
_LONGEST_ENDING: Final = "_udp_parent_4294967290"  # of the names of these sockets
_LONGEST_SOCKET_PATH: Final = 107  # bytes
_BASE_IDS: Final = 0xFFFF_FFFF // 10  # Envoy multiplies one by ten


def can_hand_over(folder: Path) -> bool:
    """Tell whether an Envoy of this folder could be taken over: its sockets' paths and shared memory allow it."""
    longest = len(f"{folder / _SOCKETS}{_LONGEST_ENDING}".encode())
    return longest <= _LONGEST_SOCKET_PATH and os.access(_SHARED_MEMORY, os.W_OK)


def arguments(folder: Path, *, threads: int, epoch: int, drain_s: float) -> list[str]:
    """Return what Envoy is told at its start.

    Args:
        folder: Of the gateway, absolute.
        threads: That work.
        epoch: 0 for the first, and one more for each that takes over.
        drain_s: Seconds that the one before may take to finish.
    """
    return [
        *("--config-path", str(folder / "bootstrap.json")),
        *("--concurrency", str(threads)),
        *("--log-path", str(folder / "envoy.log")),
        *("--log-level", "warning"),
        *("--file-flush-interval-msec", str(LOG_FLUSH_MS)),
        "--reject-unknown-dynamic-fields",
        *_handing_over(folder, epoch, max(1, round(drain_s))),
    ]


def _handing_over(folder: Path, epoch: int, drain_s: int) -> list[str]:
    if not can_hand_over(folder):
        return ["--disable-hot-restart"]
    return [
        *("--base-id", str(zlib.crc32(str(folder).encode()) % _BASE_IDS)),
        *("--restart-epoch", str(epoch)),
        *("--socket-path", str(folder / _SOCKETS)),
        *("--socket-mode", "600"),
        *("--drain-time-s", str(drain_s)),
        *("--drain-strategy", "immediate"),  # whoever is connected is asked to connect anew with the next answer
        *("--parent-shutdown-time-s", str(drain_s + 1)),
    ]
