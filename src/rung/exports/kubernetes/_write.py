"""Manifests as a folder: what the workspace's revisions declare, made into files; and the image that they name."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.compute._wheel import own_wheel
from rung.exports._folder import new_folder
from rung.exports._yaml import spell_yaml
from rung.exports.kubernetes._manifests import manifests
from rung.infrastructure import Infrastructure
from rung.lifecycle import State
from rung.registry import open_registry
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.exports.kubernetes._cluster import Cluster
    from rung.workspace import Workspace

__all__ = ["IMAGE_RAY", "Written", "declared", "write_kubernetes"]

IMAGE_RAY: Final = "2.60.0"
"""The Ray of the image, as the extra `ray` asks for it."""
_GONE: Final = frozenset({State.TRAINING, State.FAILED, State.TORN_DOWN})
_USER: Final = 10001


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written."""

    folder: Path
    objects: tuple[str, ...]  # "StatefulSet rung-control", in the order of the files
    missing: tuple[str, ...]  # what the workspace's settings do not say yet, one sentence each


def declared(workspace: Workspace) -> list[Infrastructure]:
    """Read the infrastructure specification of every revision that is served, or may be; without any: the defaults."""
    found = []
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        for revision in registry.revisions():
            if revision.state not in _GONE:
                bundle = read_bundle(workspace.state, str(revision.name))
                found.append(Infrastructure.model_validate(bundle.infrastructure))
    return found or [Infrastructure()]


def write_kubernetes(cluster: Cluster, workspace: Workspace, output: Path) -> Written:
    """Write the manifests of a platform, a `kustomization.yaml` for them, and the context of their image.

    Args:
        cluster: What is wanted.
        workspace: Whose settings must fit.
        output: A folder that is not there yet, or empty.

    Raises:
        ConflictError: The folder is there, and not empty.
        CallError: It cannot be written.
    """
    files = manifests(cluster)
    with new_folder(output) as folder:
        for name, objects in files.items():
            text = "---\n".join(spell_yaml(one) for one in objects)
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "kustomization.yaml").write_text(spell_yaml(_kustomization(files)), encoding="utf-8")
        _put_image(folder / "image")
    names = tuple(f"{one['kind']} {one['metadata']['name']}" for objects in files.values() for one in objects)
    return Written(folder=output, objects=names, missing=tuple(_missing(workspace)))


def _kustomization(files: dict[str, Any]) -> dict[str, Any]:
    resources = [name for name in files if name != "job.yaml"]  # a job is begun by whoever wants it
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}


def _missing(workspace: Workspace) -> Iterator[str]:
    """Say what `rung.toml` must say for others than its own machine to reach the platform."""
    listen = workspace.settings().listen
    if listen.control in {"127.0.0.1", "::1", "localhost"}:
        yield '[listen] control is loopback: set control = "0.0.0.0"'
    if listen.gateway in {"127.0.0.1", "::1", "localhost"}:
        yield '[listen] gateway is loopback: set gateway = "0.0.0.0"'
    if listen.certificate != "/etc/rung/tls/tls.crt":
        yield '[listen] needs certificate = "/etc/rung/tls/tls.crt" and key = "/etc/rung/tls/tls.key"'


def _put_image(folder: Path) -> None:
    """Write the context of the image: this very Rung, and what it needs there."""
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="rung-wheel-") as place:
        wheel = own_wheel(Path(place))
        shutil.copyfile(wheel, folder / wheel.name)
        (folder / "Dockerfile").write_text(_DOCKERFILE.format(wheel=wheel.name, user=_USER, ray=IMAGE_RAY))


_DOCKERFILE = """\
# A tag may be moved: pin the base with --build-arg BASE=python@sha256:...
ARG BASE=python:3.11-slim-bookworm
FROM ${{BASE}}

# git clones the workspace, wget is what KubeRay's probes ask with
# hadolint ignore=DL3008
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends git wget \\
    && rm -rf /var/lib/apt/lists/*

COPY {wheel} /opt/rung/
RUN python -m pip install --no-cache-dir '/opt/rung/{wheel}[platform,postgresql,ray,s3]' 'ray[default]=={ray}'

RUN mkdir -p /srv/rung/workspace && chown -R {user}:{user} /srv/rung
USER {user}:{user}
WORKDIR /srv/rung/workspace
"""
