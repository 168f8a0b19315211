"""The whole platform as manifests of Kubernetes: control plane, gateways, a Ray cluster for servers and trainings.

`manifests` is pure; `write_kubernetes` adds what the workspace's revisions declare, and the image to build.
docs/kubernetes.md says what maps and what does not.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.exports.kubernetes._cluster import Cluster
    from rung.exports.kubernetes._manifests import manifests
    from rung.exports.kubernetes._write import IMAGE_RAY, Written, declared, write_kubernetes

__all__ = ["IMAGE_RAY", "Cluster", "Written", "declared", "manifests", "write_kubernetes"]

__getattr__ = exports(
    __name__,
    {
        "Cluster": "_cluster",
        "manifests": "_manifests",
        **dict.fromkeys(("IMAGE_RAY", "Written", "declared", "write_kubernetes"), "_write"),
    },
)
