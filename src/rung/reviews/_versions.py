"""Gathers two versions of a service and compares them: revisions, runs, the working tree. Called by `rung diff`.

What a revision declares is read from its bundle, and nothing of it is run. A run that is of no revision, and the
working tree, are described by their code, as a review does it.
"""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.cards import gather
from rung.errors import CallError, NotFoundError, RungError, WorkspaceError
from rung.registry import known_registry
from rung.reviews._code import compare_files
from rung.reviews._difference import Version, differ
from rung.reviews._gather import describe, extract, git
from rung.reviews._parts import flat, pins
from rung.schema import RevisionName, parse_specification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.cards import Facts
    from rung.registry import Registry
    from rung.reviews._difference import Difference
    from rung.workspace import Workspace

_HERE: Final = "."
_DECLARED: Final = ("requirements", "data tests", "removed", "infrastructure", "service levels", "A/B test")


def diff(workspace: Workspace, before: str, after: str = _HERE) -> Difference:
    """Compare two versions of one service.

    Args:
        workspace: Where they were made.
        before: A revision or a run; or `.`, the working tree.
        after: The same.

    Raises:
        NotFoundError: There is no such revision or run.
        CallError: They are of two services, or both are the working tree.
    """
    with ExitStack() as stack:
        registry = stack.enter_context(known_registry(workspace.state, workspace.registry_url()))
        if registry is None:
            raise NotFoundError(f"nothing was trained in {workspace.root} yet", hint="`rung train SERVICE` makes a run")
        runs = [None if name == _HERE else registry.run(_run_of(registry, name)) for name in (before, after)]
        service = _service([run["service"] for run in runs if run is not None], before, after)
        look = _Look(workspace=workspace, registry=registry, service=service, stack=stack)
        one, other = (look.version(run) for run in runs)
        code = None if one.files is None or other.files is None else compare_files(one.files, other.files)
        return differ(one.version, other.version, code)


def _run_of(registry: Registry, name: str) -> str:
    """Give the id of the run that a name is of."""
    try:
        revision = RevisionName.parse(name)
    except RungError:
        return name
    return registry.revision(revision).run


def _service(services: list[str], before: str, after: str) -> str:
    if not services:
        raise CallError("both are the working tree", hint="name a revision or a run: rung diff housing.v1.m1 .")
    if len(set(services)) > 1:
        raise CallError(
            f"{before} is of {services[0]}, and {after} of {services[1]}", hint="compare two versions of one service"
        )
    return services[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A version, and its files."""

    version: Version
    files: Mapping[str, Path] | None
    """By their paths in the tree; None: they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Where it is looked."""

    workspace: Workspace
    registry: Registry
    service: str
    stack: ExitStack
    """Folders that are made go when it ends."""

    def version(self, run: Mapping[str, Any] | None) -> _Found:
        """Gather what is known of a run, or of the working tree."""
        if run is None:
            return self._working_tree()
        return self._run(run) if run["revision"] is None else self._revision(run)

    def _working_tree(self) -> _Found:
        root = self.workspace.root
        names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
        files = {name: root / name for name in names if name and (root / name).is_file()}
        return self._described(name="the working tree", root=root, files=files, parts={})

    def _run(self, run: Mapping[str, Any]) -> _Found:
        root, note = self._restored(run, self.workspace.runs / run["id"])
        parts = _parts(run)
        lines = _read(self.workspace.runs / run["id"] / "environment.txt").splitlines()
        if lines:
            parts["packages"] = pins("\n".join(line for line in lines if "==" in line))
        if root is None:
            return _Found(version=Version(name=run["id"], parts=parts, notes=(note,)), files=None)
        return self._described(name=run["id"], root=root, files=_tree(root), parts=parts, note=note)

    def _described(
        self, *, name: str, root: Path, files: Mapping[str, Path], parts: Mapping[str, Any], note: str = ""
    ) -> _Found:
        """Add what code declares; where it cannot be imported, that is told."""
        try:
            declared = describe(root, self.service)
        except RungError as error:
            version = Version(name=name, parts=parts, notes=(*filter(None, [note]), f"{name}: {error.message}"))
            return _Found(version=version, files=self._own(files))
        more = {kind: declared[kind] for kind in (*_DECLARED, "hyperparameters")}
        version = Version(
            name=name, parts={**more, **parts}, contract=declared["contract"], notes=tuple(filter(None, [note]))
        )
        return _Found(version=version, files=self._own(files))

    def _revision(self, run: Mapping[str, Any]) -> _Found:
        name = RevisionName.parse(run["revision"])
        folder = self.workspace.state / "revisions" / str(name)
        source = folder / "source"
        root, note = (source, "") if source.is_dir() else self._restored(run, folder)
        facts = gather(name, registry=self.registry, workspace=self.workspace)
        version = Version(
            name=str(name),
            parts=_parts(run) | _of_revision(facts) | ({} if root is None else _of_source(root, self.service)),
            contract=None if facts.bundle is None else facts.bundle.contract,
            notes=(note,) if note else (),
        )
        return _Found(version=version, files=None if root is None else self._own(_tree(root)))

    def _restored(self, run: Mapping[str, Any], kept: Path) -> tuple[Path | None, str]:
        """Lay down the code of a run from its commit and patch; say what cannot be had."""
        if run["commit"] is None:
            return None, f"{run['id']} was made without git: its code is not known"
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="rung-diff-")))
        try:
            extract(self.workspace.root, run["commit"], folder)
        except WorkspaceError:
            return None, f"commit {run['commit'][:8]} of {run['id']} is not here: its code is not known"
        patch = kept / "diff.patch"
        if not run["dirty"]:
            return folder, ""
        apply = ["git", "apply", "--allow-empty", str(patch)]
        if patch.is_file() and subprocess.run(apply, cwd=folder, check=False, capture_output=True).returncode == 0:
            return folder, ""
        return folder, f"what {run['id']} changed of commit {run['commit'][:8]} is not here: its code is that commit's"

    def _own(self, files: Mapping[str, Path]) -> Mapping[str, Path]:
        """Leave out other services of the workspace."""
        return {
            name: path
            for name, path in files.items()
            if not name.startswith("experiments/")
            or name.count("/") == 1
            or name.startswith(f"experiments/{self.service}/")
        }


def _tree(root: Path) -> dict[str, Path]:
    paths = (path for path in root.rglob("*") if "__pycache__" not in path.parts and path.is_file())
    return {path.relative_to(root).as_posix(): path for path in paths}


def _parts(run: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Read what the record of a training says."""
    read = sorted((one for task in run["tasks"] for one in task["data"]), key=lambda one: str(one["path"]))
    artifacts = {task["name"]: task["digest"] for task in run["tasks"] if task["digest"]}
    for task in run["tasks"]:
        artifacts |= task.get("kept", {})
    dirty = ", and what was not committed" if run["dirty"] else ""
    return {
        "hyperparameters": run["hyperparameters"],
        "overrides": run["overrides"],
        "code of tasks": {task["name"]: task["closure"] or "not known" for task in run["tasks"]},
        "data": {one.get("dataset", one["path"]): _data(one) for one in read},
        "artifacts": artifacts,
        "metrics": run["metrics"],
        "failed tests": dict.fromkeys(run["failed_tests"], "did not pass"),
        "run": {
            "commit": f"{run['commit'] or 'none'}{dirty}",
            **{name: run[name] for name in ("python", "rung", "seed", "user")},
        },
    }


def _data(read: Mapping[str, Any]) -> str:
    version = f"version {read['version']}, " if "dataset" in read else ""
    return f"{version}{read['size']:,} bytes, {read['digest']}"


def _of_revision(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """Read what is on record of a revision beside its run."""
    bundle = facts.bundle
    parts: dict[str, Mapping[str, Any]] = {"decision": _decision(facts)}
    if facts.packages:
        parts["packages"] = {one.name: one.version or one.url for one in facts.packages}
    if bundle is not None:
        parts |= {
            "data tests": bundle.data_tests,
            "removed": bundle.removed_tests,
            "infrastructure": flat(bundle.infrastructure),
            "A/B test": flat(bundle.ab_test),
        }
    return parts


def _of_source(root: Path, service: str) -> dict[str, Mapping[str, Any]]:
    """Read what the files of a service say without being run."""
    folder = root / "experiments" / service
    parts: dict[str, Mapping[str, Any]] = {"requirements": pins(_read(folder / "infrastructure" / "requirements.txt"))}
    try:
        level = parse_specification(_read(folder / "specification.md")).service_level
    except RungError:
        return parts
    return parts | {"service levels": flat(level.model_dump(mode="json"))}


def _decision(facts: Facts) -> dict[str, Any]:
    """Tell where a revision is in its life, and what its last attempt came to."""
    told = {"state": f"{facts.revision.state}: {facts.revision.reason}", "deployed by": facts.revision.actor}
    if not facts.attempts:
        return told
    last = facts.attempts[-1]
    told |= {f"gate {verdict.gate}": f"{verdict.kind}: {verdict.because}" for verdict in last.verdicts}
    return told | {"promotion": f"{last.outcome}: {last.because}" if last.outcome else "under way"}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
