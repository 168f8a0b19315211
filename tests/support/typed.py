"""Commands as they are typed, without an interpreter started for each: what is printed and how it ends is the same.

For commands that neither run a service's code nor start what outlives them. That a process of its own ends likewise is
tested once, in tests/integration/cli/test_refusals.py.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from click.testing import CliRunner

from rung import cli

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def typed(
    folder: Path, *words: str, environment: Mapping[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Type `rung WORDS` in a folder, and wait for its end.

    Args:
        folder: Where it is typed.
        words: What is typed behind `rung`.
        environment: Variables that are set beside those that there are; None takes one away.
    """
    before = sys.argv
    sys.argv = ["rung", *words]
    try:
        with contextlib.chdir(folder), CliRunner().isolation(env=environment) as (out, err, _):
            code = _end()
            return subprocess.CompletedProcess(["rung", *words], code, _text(out), _text(err))
    finally:
        sys.argv = before


def _end() -> int:
    try:
        cli.main()
    except SystemExit as ended:
        sys.stdout.flush()
        return ended.code if isinstance(ended.code, int) else 1
    raise AssertionError("the command did not end with an exit code")


def _text(stream: object) -> str:
    return stream.getvalue().decode()  # type: ignore[attr-defined]
