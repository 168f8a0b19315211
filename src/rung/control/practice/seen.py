"""What can be seen of a service in the workspace, without running anything of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from rung.control.practice.papers import package_of
from rung.errors import RungError, WorkspaceError
from rung.practice import WorkspaceFacts, count_metrics
from rung.schema import parse_specification
from rung.testing import code_digest, read_seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rung.control.place import Place
    from rung.practice import PathFacts
    from rung.registry import Registry, Revision

_SCHEMA = ("schema/request.py", "schema/response.py", "schema/service.py")
_RUNS = 20  # newest ones that are looked through
_GIT_S = 10.0


def workspace_facts(place: Place, registry: Registry, facts: PathFacts, ours: Sequence[Revision]) -> WorkspaceFacts:
    """Look at a service's package.

    Args:
        place: Where it lies.
        registry: Which trainings there were.
        facts: What is known without looking.
        ours: The revisions of its major.
    """
    service = place.workspace.service(facts.service)
    folder = service.folder
    last = ours[-1] if ours else None
    document = service.document(facts.major, facts.minor)
    before = None if last is None else code_digest(package_of(place, last.name))
    return WorkspaceFacts(
        specification=_wrong(service.specification),
        missing=tuple(name for name in _SCHEMA if not (folder / name).is_file()),
        metrics=count_metrics(_text(folder / "schema" / "service.py")),
        has_document=bool(_text(document).strip()),
        is_changed=before is None or before != code_digest(folder),
        is_committed=_is_committed(folder),
        is_trained=_is_trained(registry, facts.service, last),
        is_checked=read_seen(place.workspace.state, facts.service, folder).is_checked,
    )


def _wrong(path: Path) -> str:
    """Say what is wrong with a specification; "" when nothing is."""
    if not path.is_file():
        return f"{path.name} is not there"
    try:
        parse_specification(path.read_text(encoding="utf-8"), name=path.name)
    except UnicodeDecodeError:
        return f"{path.name} is no text"
    except WorkspaceError as error:
        return str(error)
    return ""


def _is_trained(registry: Registry, service: str, last: Revision | None) -> bool:
    """Tell whether a training succeeded here since the last revision was deployed."""
    try:
        runs = registry.runs(service, limit=_RUNS)
    except RungError:
        return False
    since = "" if last is None else last.created.isoformat()
    return any(
        run["status"] == "succeeded" and not run["id"].startswith(f"{service}.v") and str(run["started"]) > since
        for run in runs
    )


def _is_committed(folder: Path) -> bool:
    """Tell whether git has the package as it is now."""
    ask = ["git", "--no-optional-locks", "status", "--porcelain", "--", "."]
    try:
        said = subprocess.run(ask, cwd=folder, capture_output=True, check=False, timeout=_GIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and not said.stdout.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
