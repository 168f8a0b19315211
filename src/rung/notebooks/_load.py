"""`rung.load`: a revision, or a run of a training, in this process: its artifacts, and its application as a client.

A revision is loaded from its own source: its modules are the ones that `experiments` means while it is asked, and those
of the workspace before and after.
"""

from __future__ import annotations

import importlib
import re
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rung import artifacts
from rung.errors import ConflictError, IntegrityError, NotFoundError
from rung.serving import Artifacts, handlers_of, needed_artifacts, read_bundle
from rung.testing import Client, import_part, serve_in_process
from rung.training import list_runs, read_run
from rung.training._kept import bring_run, kept_in
from rung.training._stored import BUNDLE, SOURCE, bring_revision, folder_of, is_here, key, source_digest
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from pydantic import BaseModel

    from rung.training import RunRecord

__all__ = ["Loaded", "load"]

_REVISION: Final = re.compile(r"[a-z][a-z0-9_]*\.v\d+\.m\d+")
_AUTHOR: Final = "experiments"
_lock = threading.RLock()
"""Modules are of the whole process: one loaded revision is asked at a time."""


class Loaded:
    """A revision or a run in this process.

    Attributes:
        name: Of the revision or the run.
        service: Whose it is.
        artifacts: The names of its outputs.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        name: str,
        service: str,
        digests: Mapping[str, str],
        signed: Mapping[str, str] | None,
    ) -> None:
        self.name = name
        self.service = service
        self.artifacts = tuple(sorted(digests))
        self._workspace = workspace
        self._digests = digests
        self._signed = signed
        self._modules: dict[str, ModuleType] = {}
        self._values: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self.artifacts)}>"

    def artifact(self, name: str) -> Any:
        """Give an output.

        Raises:
            NotFoundError: It has no output of that name.
            IntegrityError: The bytes are not those that were written, or run code and are signed by nobody.
        """
        if name not in self._digests:
            raise NotFoundError(f"{self.name} has no output {name!r}", hint=f"it has {', '.join(self.artifacts)}")
        with self._imports():
            store = artifacts.LocalStore(self._workspace.artifacts)
            data = store.get(self._digests[name])
            if self._signed is not None and not self._signed and artifacts.describe(data).marked_unsafe:
                raise IntegrityError(
                    f"the output {name!r} of {self.name} is pickled, and signed by nobody",
                    hint=f"`rung verify {self.name}` tells more",
                )
            return artifacts.decode(data, digest=self._digests[name])

    def predict(
        self,
        instances: Sequence[BaseModel | Mapping[str, Any]],
        parameters: BaseModel | Mapping[str, Any] | None = None,
        route: str = "predict",
    ) -> list[Any]:
        """Predict with its application: one `Prediction` for each instance, in order.

        Args:
            instances: Plain data, or models of this revision's schema.
            parameters: Shared by all instances; None: the service's defaults.
            route: The handler's name.

        Raises:
            NotFoundError: There is no such route, or an artifact is missing.
            PredictionError: The application answered a problem.
        """
        with self._imports():
            app = self.module("serve.app").app
            if self._values is None:
                self._values = self._load(needed_artifacts(app))
            with serve_in_process(app, self._values) as client:
                return Client(client.http, handlers_of(app)).predict(instances, parameters, route)

    def module(self, part: str) -> ModuleType:
        """Give a module of its service as it was then: `module("schema.request").Instance`.

        Raises:
            TaskError: It cannot be imported.
        """
        with self._imports():
            return import_part(self._workspace.service(self.service), part)

    def _load(self, needed: frozenset[str]) -> dict[str, Any]:
        """Load what the handlers take, of other revisions too."""
        foreign, others = frozenset(name for name in needed if "." in name), Artifacts()
        others.load(foreign, state=self._workspace.state, revision="", signed=self._signed)
        own = {name: self.artifact(name) for name in needed - foreign}
        return own | {name: others.get(name) for name in foreign}

    @contextmanager
    def _imports(self) -> Iterator[None]:
        """Let `experiments` mean this one's source inside the block; a run has the workspace's anyway."""
        path = str(self._workspace.root)
        if self._signed is None:
            if path not in sys.path:
                sys.path.insert(0, path)
            yield
            return
        with _lock:
            before = _taken()
            sys.modules.update(self._modules)
            sys.path.insert(0, path)
            importlib.invalidate_caches()
            try:
                yield
            finally:
                sys.path.remove(path)
                self._modules = _taken()
                sys.modules.update(before)


def load(name: str) -> Loaded:
    """Load a revision or a run into this process: `rung.load("housing.v1.m2").predict([{...}])`.

    It needs the libraries that it was trained with. A revision comes with its own source; a run of a training here is
    served by the workspace's present one. What is not on this machine comes from the storage that `rung.toml` names.

    Args:
        name: Of a revision, of a run, or of a service: its newest training here that succeeded.

    Raises:
        NotFoundError: There is no such revision, run or service, or it is neither on this machine nor in the storage.
        ConflictError: The run did not succeed.
        IntegrityError: Its files are not what was signed.
    """
    workspace = find()
    return _load_revision(workspace, name) if _REVISION.fullmatch(name) else _load_run(workspace, name)


def _load_revision(workspace: Workspace, name: str) -> Loaded:
    folder = workspace.state / "revisions" / name
    _bring(workspace, name)
    signed = _signed(workspace, name)
    if not signed and workspace.settings().require_signatures:
        raise IntegrityError(
            f"{name} is not signed by a key that is trusted here, and rung.toml wants all to be",
            hint="put the public key that signed it into .rung/keys/trusted",
        )
    bundle = read_bundle(workspace.state, name, digest=signed.get(name))
    if not (folder / "source").is_dir():
        raise NotFoundError(f"the source of {name} is not on this machine", hint="the platform that serves it has it")
    own = Workspace(root=folder / "source", state=workspace.state)
    return Loaded(own, name=name, service=name.partition(".")[0], digests=bundle.artifacts, signed=signed)


def _load_run(workspace: Workspace, name: str) -> Loaded:
    if (workspace.experiments / name / "schema").is_dir():
        newest = (
            run for run in list_runs(workspace.runs, name) if run.kind == "training" and run.status == "succeeded"
        )
        record = next(newest, None)
        if record is None:
            raise NotFoundError(f"{name} has not been trained here", hint=f"`rung train {name}` first")
    else:
        record = _run(workspace, name)
    if record.status != "succeeded":
        raise ConflictError(f"run {record.id} is {record.status}", hint=f"`rung runs show {record.id}` tells why")
    return Loaded(workspace, name=record.id, service=record.service, digests=record.artifacts, signed=None)


def _bring(workspace: Workspace, name: str) -> None:
    """See to it that a revision is here, where there is a storage that has it."""
    objects = kept_in(workspace)
    if objects is None:
        return

    def is_known(other: str) -> bool:
        return (folder_of(workspace, other) / BUNDLE).is_file() or objects.size(key(other, BUNDLE)) is not None

    if not is_here(workspace, name, is_known):
        bring_revision(objects, workspace, name, is_known)


def _run(workspace: Workspace, name: str) -> RunRecord:
    """Read the record of a run; one that is not here comes from the storage, with its artifacts."""
    objects = None if (workspace.runs / name).is_dir() or "/" in name else kept_in(workspace)
    if objects is not None and bring_run(objects, workspace, name):
        store = artifacts.WriteThroughStore(artifacts.LocalStore(workspace.artifacts), objects)
        store.fetch_missing(read_run(workspace.runs / name).artifacts.values())
    return read_run(workspace.runs / name)


def _signed(workspace: Workspace, name: str) -> dict[str, str]:
    """Give the digest that the bundle of a revision was signed with; nothing when nobody whom we trust signed it."""
    from rung.signing import Keys, Provenance, Unsigned, unseal  # noqa: PLC0415  cryptography takes a while

    folder = workspace.state / "revisions" / name
    try:
        payload, _ = unseal((folder / "provenance.json").read_bytes(), Keys(folder=workspace.state / "keys").trusted())
    except (FileNotFoundError, Unsigned):
        return {}
    stated = Provenance.from_json(payload)
    digest = stated.digest_of(BUNDLE)
    bundle = folder / BUNDLE
    if bundle.is_file() and digest != artifacts.file_digest(bundle):
        raise IntegrityError(f"the bundle of {name} is not what was signed", hint=f"`rung verify {name}` tells more")
    source = next((one.digest for one in stated.dependencies if one.name == SOURCE), None)
    if source is not None and (folder / "source").is_dir() and source != source_digest(folder / "source"):
        raise IntegrityError(f"the source of {name} is not what was signed", hint=f"`rung verify {name}` tells more")
    return {name: digest} if digest else {}


def _taken() -> dict[str, ModuleType]:
    """Take the author's modules out of those that are loaded."""
    found = [name for name in sys.modules if name == _AUTHOR or name.startswith(f"{_AUTHOR}.")]
    return {name: sys.modules.pop(name) for name in found}
