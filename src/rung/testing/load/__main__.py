"""Runs one load test from a plan's file and writes its figures: the job that promotion starts."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rung.errors import CallError, RungError
from rung.testing.load import LoadPlan, run_load
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Send the load that PLAN describes and write the figures to RESULT."""
    parser = argparse.ArgumentParser(prog="python -m rung.testing.load", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="what is sent (JSON)")
    parser.add_argument("--url", required=True, help="the revision's, without the route")
    parser.add_argument("--environments", type=Path, required=True, help="folder for Locust's environment")
    parser.add_argument("--result", type=Path, required=True, help="gets the figures (JSON), by rename, at the end")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _end)
    try:
        figures = run_load(_read(options.plan), options.url, options.environments)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    write_atomically(options.result, json.dumps(figures, indent=2, allow_nan=False).encode() + b"\n", durable=True)
    return 0


def _read(path: Path) -> LoadPlan:
    try:
        return LoadPlan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CallError(f"there is no plan {path}", hint="write what the load test sends") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise CallError(f"{path} is not a plan of a load test: {where}: {first['msg']}", hint="correct it") from None


def _end(signal_number: int, _frame: Any) -> None:
    """Unwind, so that Locust's process is killed on the way out."""
    sys.exit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
