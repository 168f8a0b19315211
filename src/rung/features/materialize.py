"""Materialise the views of a service: `python -m rung.features.materialize --service housing`.

The control plane starts it in the environment and the source snapshot of a revision, so that the revision's own code
makes its values. It prints one line of JSON for each view.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rung.errors import RungError
from rung.features._store import open_store
from rung.features._views import load_views, view_of
from rung.workspace import find

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Materialise; the exit code tells whether all views are there."""
    parser = argparse.ArgumentParser(prog="python -m rung.features.materialize", description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--view", action="append", help="only this one; may be given several times")
    options = parser.parse_args(arguments)
    try:
        _materialize(options.service, options.view)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _materialize(service: str, wanted: list[str] | None) -> None:
    from rung.features._materialize import materialize_view  # noqa: PLC0415  a service without views needs no polars

    workspace = find(Path.cwd())
    views = load_views(workspace, service)
    store = open_store(workspace.settings().online_store, workspace.state)
    try:
        for view in views.values() if wanted is None else [view_of(views.values(), name) for name in wanted]:
            sys.stdout.write(f"{json.dumps(asdict(materialize_view(view, store)))}\n")
            sys.stdout.flush()
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
