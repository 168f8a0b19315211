"""Lay down revisions of Rung's service `bench` and start their servers as the control plane does.

`fit.py` writes the bundles. Called by `catalogue.py`, `gateway.py` and `soak.py`.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from contender import SHARED, SOURCES
from process import SERVER_CORE, Command

from rung.compute.protocol import ENDPOINT
from rung.control.place import Place as Platform
from rung.control.servers import Servers
from rung.schema import RevisionName
from rung.serving import read_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from contender import Lab

__all__ = ["forget_sockets", "lay_source", "platform", "revision", "server", "socket_of"]

# As in `fit.py`: the position is the minor.
MINORS = ("linear_frame", "linear_array", "forest_array", "forest_frame", "forest_onnx", "constant")
SERVICE = """\
from enum import StrEnum

major = 1


class Route(StrEnum):
    PREDICT = "predict"
"""


def platform(lab: Lab) -> Platform:
    """Give the folders of the platform that the revisions belong to."""
    return Platform(workspace=Workspace(root=lab.folder, state=lab.state))


def forget_sockets(lab: Lab) -> None:
    """Remove the folder of sockets, which lies outside the lab's own: a socket's path must be short."""
    shutil.rmtree(platform(lab).sockets, ignore_errors=True)


def revision(name: str) -> RevisionName:
    """Give the revision that has this model and handler."""
    return RevisionName.parse(f"bench.v1.m{MINORS.index(name)}")


def socket_of(lab: Lab, name: str) -> str:
    """Give the endpoint at which a revision's server listens beside its port."""
    return f"unix:{platform(lab).socket(str(revision(name)))}"


def lay_source(lab: Lab, name: str, program: str) -> None:
    """Lay a revision's source snapshot down: the package of the service, with this program as its application."""
    place = platform(lab)
    place.make()
    (place.workspace.root / "rung.toml").touch()
    source = place.source(revision(name))
    service = source / "experiments" / "bench"
    for package in (service.parent, service, service / "schema", service / "serve"):
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
    (source / "rung.toml").touch()
    (service / "schema" / "service.py").write_text(SERVICE, encoding="utf-8")
    for shared in SHARED:
        shutil.copy(SOURCES / shared, source / shared)
    shutil.copy(SOURCES / program, service / "serve" / "app.py")


def server(lab: Lab, name: str, *, python: Path, port: int | None = None, core: int | None = SERVER_CORE) -> Command:
    """Say how to start a revision's server: the control plane's own command.

    Args:
        lab: Where the revision is.
        name: Of the revision's model and handler.
        python: Of Rung's environment.
        port: TCP port to listen on, for wrk, which does not speak to socket files; None: at `socket_of`, as deployed.
        core: To run on; None: all of them.
    """
    servers = Servers(place=platform(lab), registry=None)  # type: ignore[arg-type]  # it makes a command, starts nothing
    bundle = read_bundle(lab.state, str(revision(name)))
    written = (lab.state / "revisions" / bundle.revision / "bundle.json").read_bytes()
    signed = {bundle.revision: f"sha256:{hashlib.sha256(written).hexdigest()}"}
    made = servers.server_work(revision(name), bundle, python, bundles=signed)
    bind = f"unix:{made.socket}" if port is None else f"127.0.0.1:{port}"
    words = tuple(word.replace(ENDPOINT, bind) for word in made.command.argv)
    return Command(arguments=words, folder=made.command.folder, variables=dict(made.command.environment), core=core)
