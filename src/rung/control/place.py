"""Where the control plane keeps things, and how its clients find it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import ControlPlaneError
from rung.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    from rung.schema import RevisionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Folders and sockets of one workspace's control plane."""

    workspace: Workspace

    @property
    def address_file(self) -> Path:
        """Tells clients where the control plane listens, and the token that it takes; readable by its owner only."""
        return self.workspace.state / "control.json"

    @property
    def fence_file(self) -> Path:
        """The highest fencing token of any control plane that led here; see `_fence`."""
        return self.workspace.state / "control.fence"

    @property
    def log(self) -> Path:
        """The control plane's own log."""
        return self.workspace.state / "log" / "control.log"

    @property
    def predictions(self) -> Path:
        """Append-only logs of predictions and outcomes, before they are shipped."""
        return self.workspace.state / "lake" / "log"

    @property
    def lake(self) -> Path:
        """Tables of predictions and outcomes."""
        return self.workspace.state / "lake"

    @property
    def tables(self) -> str:
        """Where the tables of predictions and outcomes are: in the storage, where there is one."""
        return self.workspace.lake()

    @property
    def datasets(self) -> str:
        """Where the datasets are: beside these tables."""
        return f"{self.tables}/datasets"

    @property
    def usage(self) -> Path:
        """What each revision used, one file a day."""
        return self.workspace.state / "usage"

    @property
    def environments(self) -> Path:
        """Locked environments, one for each lock."""
        return self.workspace.state / "environments"

    @property
    def gateway(self) -> Path:
        """Envoy's configuration; its path must be short, because a socket lies in it."""
        return self.sockets / "gateway"

    @property
    def sockets(self) -> Path:
        """A short path for sockets (a socket's path has at most 107 bytes), the owner's alone."""
        name = hashlib.sha256(str(self.workspace.state.resolve()).encode()).hexdigest()[:10]
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(base) / f"rung-{os.getuid()}-{name}"

    def make(self) -> None:
        """Make the folders that others write into."""
        for folder in (self.predictions, self.log.parent, self.environments):
            folder.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.stat().st_uid != os.getuid():
            raise ControlPlaneError(f"{self.sockets} belongs to somebody else", hint="set XDG_RUNTIME_DIR to your own")

    def socket(self, name: str) -> Path:
        """Give the path of a server's socket."""
        return self.sockets / f"{name}.sock"

    def revision(self, name: RevisionName) -> Path:
        """Give the folder of a revision: source, lock, bundle, jobs, logs."""
        return self.workspace.state / "revisions" / str(name)

    def source(self, name: RevisionName) -> Path:
        """Give the source snapshot of a revision, which is a workspace of its own."""
        return self.revision(name) / "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How to reach a control plane that runs."""

    url: str
    token: str
    pid: int
    gateway: str
    """URL of the gateway."""
    certificate: str | None = None
    """File with the certificate that it shows; None where there is no TLS."""

    def write(self, place: Place) -> None:
        """Tell clients; only the owner can read it."""
        write_atomically(place.address_file, json.dumps(asdict(self)).encode(), private=True)


def read_address(place: Place) -> Address:
    """Find the control plane of a workspace.

    Raises:
        ControlPlaneError: None was started here.
    """
    try:
        return Address(**json.loads(place.address_file.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        raise ControlPlaneError(
            f"no control plane runs for {place.workspace.root}", hint="start it with `rung up --detach`"
        ) from None
