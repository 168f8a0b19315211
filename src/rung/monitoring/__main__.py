"""Reports for who asks a control plane, made in a process of their own: `python -m rung.monitoring`.

What they take, memory and seconds, is gone when it ends. The arguments are the workspace, its state, a name and how
many seconds to look back; what it prints is JSON: the reports, or why there are none.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rung.errors import RungError
from rung.monitoring import monitor, open_sources, report_to_json
from rung.workspace import Workspace

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Print the reports."""
    root, state, name, seconds = sys.argv[1:] if arguments is None else arguments
    now = datetime.now(UTC)
    try:
        sources = open_sources(Workspace(root=Path(root), state=Path(state)), name.partition(".")[0])
        found = monitor(name, sources, since=now - timedelta(seconds=float(seconds)), now=now)
    except RungError as error:
        json.dump({"code": error.code, "message": error.message, "hint": error.hint}, sys.stdout)
        return error.exit_code
    json.dump([report_to_json(report) for report in found], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
