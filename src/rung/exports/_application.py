"""What the application of a revision says of itself: its code runs in its own environment, never in this process."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.compute.threads import thread_limits
from rung.control.servers import revision_environment
from rung.errors import TaskError, UnavailableError

if TYPE_CHECKING:
    from rung.exports._export import Export

_WITHIN_S = 120.0
_SCRIPT = """
import importlib, json, pathlib, sys
from rung.serving import needed_artifacts
app = importlib.import_module(sys.argv[1]).app
told = {"openapi": app.openapi(), "artifacts": sorted(needed_artifacts(app))}
pathlib.Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")
"""
"""A file takes the answer, since authors' code may print; nothing of it is newer than a revision's own Rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What an application serves, and with what."""

    openapi: dict[str, Any]
    """Its OpenAPI document."""
    artifacts: tuple[str, ...]
    """That its handlers take, sorted: `build_model`, or `housing.v1.m0.build_model` of another revision."""


def read_application(export: Export) -> Application:
    """Import a revision's application from its snapshot, in its environment, and ask it.

    Raises:
        TaskError: Its code cannot be imported.
        UnavailableError: It took longer than two minutes.
        EnvironmentBuildError: Its environment was gone and cannot be made again.
    """
    module = f"experiments.{export.name.service}.serve.app"
    python = str(export.environment().python)
    with tempfile.TemporaryDirectory(prefix="rung-export-") as folder:
        answer = Path(folder) / "application.json"
        try:
            ended = subprocess.run(
                [python, "-c", _SCRIPT, module, str(answer)],
                cwd=export.place.source(export.name),
                env={**revision_environment(export.place, export.name), **thread_limits(1)},
                capture_output=True,
                text=True,
                check=False,
                timeout=_WITHIN_S,
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"the application of {export.name} was not imported within {_WITHIN_S:g} s", hint="try again"
            ) from None
        if ended.returncode != 0:
            lines = ended.stderr.strip().splitlines()
            raise TaskError(
                f"the application of {export.name} cannot be imported: {lines[-1] if lines else 'it said nothing'}",
                hint=f"`rung logs {export.name}` has what its server said",
            )
        told = json.loads(answer.read_bytes())
    return Application(openapi=told["openapi"], artifacts=tuple(told["artifacts"]))
