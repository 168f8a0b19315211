"""The kernel of a run: IPython's, that keeps notes: `python -m rung.notebooks.kernel STATE SERVICE FOLDER -f FILE`.

`execute` lets papermill start it in the workspace's folder, with this same Python.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rung.notebooks import _session
from rung.workspace import Workspace

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve one notebook until it is told to end."""
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415  optional: the extra `notebook`

    state, service, folder, *rest = arguments
    root = Path.cwd()
    sys.path.insert(0, str(root))
    app = IPKernelApp.instance()
    app.initialize(rest)
    session = _session.begin(Workspace(root=root, state=Path(state)), service, Path(folder))
    app.shell.events.register("post_run_cell", session.keep_reads)
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
