"""The workspace: a git repository with `rung.toml`, the services in `experiments/`, and Rung's own state in `.rung/`.

Every command and every training finds it from the current folder upwards.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import NotFoundError, WorkspaceError

if TYPE_CHECKING:
    from rung.settings import Settings

__all__ = ["Service", "Workspace", "find", "settle", "write_atomically"]

MARKER = "rung.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service's package in the workspace."""

    name: str
    folder: Path

    @property
    def package(self) -> str:
        """Import path, as `experiments.housing`."""
        return f"experiments.{self.name}"

    @property
    def requirements(self) -> Path:
        """The exact pins of its environment."""
        return self.folder / "infrastructure" / "requirements.txt"

    @property
    def specification(self) -> Path:
        """The service specification."""
        return self.folder / "specification.md"

    def document(self, major: int, minor: int) -> Path:
        """Give the experiment document of one revision."""
        return self.folder / "experiments" / f"v{major}.m{minor}.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where everything lies. A deployed revision's source snapshot is a workspace too, with its state elsewhere."""

    root: Path
    state: Path
    """Rung's own files; never in git."""

    @property
    def experiments(self) -> Path:
        """Packages of the services."""
        return self.root / "experiments"

    @property
    def runs(self) -> Path:
        """One folder for each run of a training."""
        return self.state / "runs"

    @property
    def artifacts(self) -> Path:
        """The content-addressed store."""
        return self.state / "artifacts"

    @property
    def cache(self) -> Path:
        """Which artifact is the output of which task key."""
        return self.state / "cache"

    @property
    def fetched(self) -> Path:
        """Files from elsewhere that trainings read, by their digests."""
        return self.cache / "fetched"

    def service(self, name: str) -> Service:
        """Give the service of that name.

        Raises:
            NotFoundError: The workspace has no such service.
        """
        services = self.services()
        if name not in services:
            known = ", ".join(services) or "none yet"
            raise NotFoundError(
                f"there is no service {name!r} in {self.experiments}",
                hint=f"the services are: {known}; `rung new {name} --template housing` makes one",
            )
        return Service(name=name, folder=self.experiments / name)

    def services(self) -> list[str]:
        """Name all services, sorted; what begins with a dot is a service that is being laid down."""
        found = (folder.parent.name for folder in self.experiments.glob("*/schema") if folder.is_dir())
        return sorted(name for name in found if not name.startswith("."))

    def settings(self) -> Settings:
        """Read `rung.toml`, with defaults for what it does not set.

        Raises:
            WorkspaceError: It is not TOML, or has a setting that Rung does not know, or a value out of its range.
        """
        from rung.settings import read  # noqa: PLC0415  most commands do without

        return read(self.root / MARKER)

    def lake(self) -> str:
        """Give the folder or URI of the lake, its tables and its datasets: in the storage, where there is one.

        Raises:
            WorkspaceError: As `settings`.
        """
        storage = self.settings().storage
        return str(self.state / "lake") if storage is None else f"{storage.rstrip('/')}/lake"

    def registry_url(self) -> str | None:
        """Give the URL of the registry; None when it is a file in the state folder.

        Where nothing sets one it is found without the model of the settings: that takes longer to import than a
        training that is recalled.

        Raises:
            WorkspaceError: As `settings`.
        """
        is_set = os.environ.get("RUNG_REGISTRY") or b"registry" in (self.root / MARKER).read_bytes()
        return self.settings().registry if is_set else None


def find(start: Path | None = None) -> Workspace:
    """Find the workspace that the folder (default: the current one) lies in.

    `RUNG_STATE` may name another folder for the state; revisions are trained and served with it.

    Raises:
        WorkspaceError: No folder from here upwards has a `rung.toml`.
    """
    folder = (start or Path.cwd()).resolve()
    for root in (folder, *folder.parents):
        if (root / MARKER).is_file():
            state = os.environ.get("RUNG_STATE")
            return Workspace(root=root, state=Path(state).absolute() if state else root / ".rung")
    raise WorkspaceError(f"{folder} is not in a workspace", hint="`rung init` makes one here")


def write_atomically(path: Path, data: bytes, *, durable: bool = False, private: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, whoever else writes it.

    Args:
        path: The file; its folder must exist.
        data: All of its bytes.
        durable: Also wait until it is on disk, with its name (about 4 ms).
        private: Nobody but its owner may read it, at any moment.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        mode = 0o600 if private else 0o666
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        settle(path.parent)


def settle(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
