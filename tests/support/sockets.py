"""Whether somebody listens already: a socket's file is there a moment earlier."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def listens(path: Path) -> bool:
    """Tell whether somebody takes connections at a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(os.fspath(path)) == 0
