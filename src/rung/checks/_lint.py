"""The standard that code of services is held to, and ruff, which holds it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from rung.workspace import Service, Workspace

__all__ = ["SETTINGS", "lint"]

SETTINGS = Path(__file__).with_name("ruff.toml")
"""What holds where the workspace says nothing."""

_SHOWN = 5
_WITHIN_S = 60.0


def lint(workspace: Workspace, service: Service) -> tuple[bool, str]:
    """Hold a service's code to the standard; tell whether it keeps it, and what was found.

    Raises:
        WorkspaceError: ruff cannot read its settings.
    """
    ruff = _ruff()
    if ruff is None:
        return True, "not looked at: ruff is not installed here (pip install 'rung[lint]')"
    own = _own_settings(workspace.root)
    settings = ["--config", str(SETTINGS)] if own is None else []
    folder = str(service.folder.relative_to(workspace.root))
    found = _run(workspace.root, [ruff, "check", *settings, "--no-fix", "--output-format", "json", folder])
    problems = [_told(one, workspace.root) for one in json.loads(found)]
    unformatted = _run(workspace.root, [ruff, "format", *settings, "--check", "--quiet", folder], told=True)
    problems += [f"{name} is not formatted" for name in unformatted]
    whose = SETTINGS.name if own is None else own.name
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        told = "; ".join(problems[:_SHOWN]) + more
        return False, f"{told}: `ruff check --fix {folder} && ruff format {folder}` mends most of it"
    return True, f"ruff finds nothing ({'the standard of Rung' if own is None else whose})"


def _told(problem: dict[str, Any], root: Path) -> str:
    path = Path(problem["filename"])
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    return f"{shown}:{problem['location']['row']} {problem['code'] or ''} {problem['message']}"


def _run(root: Path, command: list[str], *, told: bool = False) -> Any:
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=_WITHIN_S)
    if ended.returncode not in (0, 1):
        raise WorkspaceError(f"ruff failed: {ended.stderr.strip()[:500]}", hint="mend its settings in the workspace")
    if not told:
        return ended.stdout
    lines = (line.removeprefix("Would reformat: ") for line in ended.stdout.splitlines())
    return sorted(lines) if ended.returncode else []


def _ruff() -> str | None:
    """Find ruff beside this Python, else on the path."""
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.is_file() else shutil.which("ruff")


def _own_settings(root: Path) -> Path | None:
    """Find the settings of ruff that the workspace has, as ruff does."""
    for name in (".ruff.toml", "ruff.toml"):
        if (root / name).is_file():
            return root / name
    project = root / "pyproject.toml"
    try:
        has = "ruff" in tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, tomllib.TOMLDecodeError):
        return None
    return project if has else None
