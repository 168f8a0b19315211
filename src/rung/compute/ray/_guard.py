"""Ends a process when its actor has died, however that died: run as a script beside each process on a Ray node.

When a node's raylet is killed its actors die within a second, and nothing that they have begun may go on: Ray begins it
again elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rung.compute import local

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_S = 0.2
_GRACE_S = 1.0  # a server ends what it has begun; longer, and it may run in two places


def main(processes: Mapping[str, Any]) -> None:
    """Wait until either process is dead; end the one that was guarded."""
    owner, guarded = (local.Process.from_json(processes[name]) for name in ("owner", "guarded"))
    while local.alive(guarded):
        if not local.alive(owner):
            _end(guarded)
        time.sleep(_LOOK_S)


def _end(guarded: local.Process) -> None:
    """End it as the loss of the machine would: no exit code is kept, or it would never be begun again."""
    keeper = guarded.keeper
    if keeper is not None and local.find(keeper.pid) == replace(keeper, keeper=None):
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGKILL)
    local.stop(replace(guarded, keeper=None), _GRACE_S)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
