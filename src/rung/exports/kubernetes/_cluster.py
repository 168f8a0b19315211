"""What distinguishes one cluster's manifests from another's, and the words that all of them share. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.infrastructure import Infrastructure

__all__ = ["CONTROL_PORT", "GATEWAY_PORT", "RAY", "WORKSPACE", "Cluster", "Fit", "fits", "secret"]

CONTROL_PORT: Final = 4700
GATEWAY_PORT: Final = 4780
RAY: Final = "rung-ray"
"""Name of the Ray cluster."""
WORKSPACE: Final = "/srv/rung/workspace"
"""Where every machine sees the workspace."""
USER: Final = 10001
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_OVERHEAD_GIB: Final = 1.0
"""That Ray itself takes on each machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One platform on Kubernetes."""

    image: str  # of control plane, gateways and Ray
    version: str  # of Rung
    ray: str  # version of Ray that the image has
    namespace: str = "rung"
    gateways: int = 2
    disk_gib: int = 50  # of the volume that all machines share
    specifications: Sequence[Infrastructure] = ()  # of the revisions that are served
    job: str | None = None  # a command to run once on the cluster

    def __post_init__(self) -> None:
        """Hold the values against what Kubernetes takes.

        Raises:
            CallError: It would take one of them for something else.
        """
        if not _LABEL.fullmatch(self.namespace):
            raise CallError(f"{self.namespace!r} is no namespace", hint="a-z, 0-9 and -, at most 63")
        if not self.image or any(letter.isspace() for letter in self.image):
            raise CallError(f"{self.image!r} is no image", hint="write REGISTRY/NAME@sha256:..., or NAME:TAG")

    def labels(self, component: str) -> dict[str, str]:
        """Give the labels of one component; https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels."""
        return {
            **self.selector(component),
            "app.kubernetes.io/part-of": "rung",
            "app.kubernetes.io/version": self.version,
        }

    def selector(self, component: str) -> dict[str, str]:
        """Give the labels by which a component is found."""
        return {"app.kubernetes.io/name": "rung", "app.kubernetes.io/component": component}

    def object(self, kind: str, name: str, component: str, **more: Any) -> dict[str, Any]:
        """Begin a manifest."""
        versions = {
            "Namespace": "v1",
            "NetworkPolicy": "networking.k8s.io/v1",
            "PersistentVolumeClaim": "v1",
            "PodDisruptionBudget": "policy/v1",
            "RayCluster": "ray.io/v1",
            "RayJob": "ray.io/v1",
            "Service": "v1",
            "ServiceAccount": "v1",
            "StatefulSet": "apps/v1",
        }
        place = {} if kind == "Namespace" else {"namespace": self.namespace}
        metadata = {"name": name, **place, "labels": self.labels(component)}
        return {"apiVersion": versions[kind], "kind": kind, "metadata": metadata, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One group of equal machines of the Ray cluster."""

    name: str
    vcpus: int
    memory_gib: float
    gpus: int
    disk_gib: float
    minimum: int
    maximum: int

    @property
    def limit_gib(self) -> float:
        """Memory of the pod: what work may have, and Ray itself."""
        return self.memory_gib + _OVERHEAD_GIB


def fits(specifications: Sequence[Infrastructure]) -> list[Fit]:
    """Give groups of machines on which every training and every replica finds room, those with GPUs apart.

    Each machine of a group holds the largest work of its kind; there are as many as replicas are declared, and for
    trainings one, which is let go when nothing trains.
    """
    found = []
    for has_gpus in (False, True):
        servers = [one.serving for one in specifications if bool(one.serving.gpus) is has_gpus]
        trainings = [one.training for one in specifications if bool(one.training.gpus) is has_gpus]
        suffix = "-gpu" if has_gpus else ""
        if servers:
            bounds = [one.autoscaling for one in servers]
            count = (sum(one.minimum for one in bounds), sum(one.maximum for one in bounds))
            found.append(_fit(f"serving{suffix}", servers, *count))
        if trainings:
            found.append(_fit(f"training{suffix}", trainings, 0, 1))
    return found


def _fit(name: str, machines: Sequence[Any], minimum: int, maximum: int) -> Fit:
    return Fit(
        name=name,
        vcpus=max(one.vcpus for one in machines),
        memory_gib=max(one.memory_gib for one in machines),
        gpus=max(one.gpus for one in machines),
        disk_gib=max(one.disk_gib for one in machines),
        minimum=minimum,
        maximum=max(maximum, 1),
    )


def secret(variable: str, name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    """Give a variable whose value is a secret: the manifest says where it is, and never what."""
    reference: Mapping[str, Any] = {"name": name, "key": key, **({"optional": True} if optional else {})}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}
