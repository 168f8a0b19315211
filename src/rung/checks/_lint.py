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

__all__ = ["SETTINGS", "lint", "tidy"]

SETTINGS = Path(__file__).with_name("ruff.toml")
"""What holds where the workspace says nothing."""

_SHOWN = 5
_UNFORMATTED = "unformatted"
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
    report = ("--output-format", "json", folder)
    found = _run(workspace.root, [ruff, "check", *settings, "--no-fix", *report])
    found += [
        one
        for one in _run(workspace.root, [ruff, "format", *settings, "--check", *report])
        if one["code"] == _UNFORMATTED
    ]
    problems = [_told(one, workspace.root) for one in found]
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        told = "; ".join(problems[:_SHOWN]) + more
        by = " ".join(["", *settings])
        return False, f"{told}: `ruff check --fix{by} {folder} && ruff format{by} {folder}` mends most of it"
    return True, f"ruff finds nothing, by {'the standard of Rung' if own is None else own.name}"


def tidy(workspace: Workspace, service: Service) -> None:
    """Mend what ruff can mend of a service's code by itself, where it is installed."""
    ruff = _ruff()
    if ruff is None:
        return
    settings = ["--config", str(SETTINGS)] if _own_settings(workspace.root) is None else []
    for words in (["check", "--fix-only", "--quiet"], ["format", "--quiet"]):
        command = [ruff, *words, *settings, str(service.folder.relative_to(workspace.root))]
        subprocess.run(command, cwd=workspace.root, capture_output=True, check=False, timeout=_WITHIN_S)


def _told(problem: dict[str, Any], root: Path) -> str:
    path = Path(problem["filename"])
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    if problem["code"] == _UNFORMATTED:
        return f"{shown} is not formatted"
    return f"{shown}:{problem['location']['row']} {problem['code'] or ''} {problem['message']}"


def _run(root: Path, command: list[str]) -> list[dict[str, Any]]:
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=_WITHIN_S)
    try:
        found: list[dict[str, Any]] = json.loads(ended.stdout)
    except ValueError as error:
        said = ended.stderr.strip()[:500] or f"it ended with {ended.returncode}"
        raise WorkspaceError(f"ruff failed: {said}", hint="mend its settings in the workspace") from error
    return found


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
