"""Verify what a revision served: `python -m rung.features.verify --service housing --served FILE`.

`rung features verify` starts it in the environment and the source snapshot of the revision. The file has a line of JSON
for each prediction, `[id, features]`; what was found is printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import RungError
from rung.features._views import load_views
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Verify, and print what was found; the exit code is that of an error, or 0."""
    parser = argparse.ArgumentParser(prog="python -m rung.features.verify", description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--served", required=True, type=Path)
    options = parser.parse_args(arguments)
    from rung.features._verify import verify  # noqa: PLC0415  after the help: polars takes a moment

    try:
        views = load_views(find(Path.cwd()), options.service)
        found = verify(views, _served(options.served))
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{json.dumps(asdict(found))}\n")
    return 0


def _served(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            prediction, features = json.loads(line)
            yield prediction, features


if __name__ == "__main__":
    sys.exit(main())
