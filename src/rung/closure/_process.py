"""When this process began: a file that was edited later may differ from the code that is loaded."""

from __future__ import annotations

import os
import time
from pathlib import Path

_imported = time.time()


def process_started() -> float:
    """Tell when this process began, seconds since the epoch; where the system does not tell, when this was imported.

    The kernel counts in ticks (10 ms); this is the end of the one in which the process began.
    """
    try:
        stat = Path("/proc/self/stat").read_bytes()
        ticks = int(stat.rpartition(b")")[2].split()[19])  # proc(5): field 22, counted after the name
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return _imported
    return time.time() - age
