"""All objects of a platform, file by file. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from rung.exports.kubernetes._cluster import CONTROL_PORT, GATEWAY_PORT, RAY, WORKSPACE, fits
from rung.exports.kubernetes._pods import control_pod, gateway_pod, ray_parameters, ray_pod

if TYPE_CHECKING:
    from rung.exports.kubernetes._cluster import Cluster, Fit

__all__ = ["manifests"]

_CONTROL, _GATEWAY, _RAY = "control", "gateway", "ray"
_RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}


def manifests(cluster: Cluster) -> dict[str, list[dict[str, Any]]]:
    """Give the objects of a platform by the file that they belong into."""
    found = {
        "namespace.yaml": [_namespace(cluster), *_accounts(cluster)],
        "workspace.yaml": [_volume(cluster)],
        "control.yaml": _control(cluster),
        "gateway.yaml": _gateway(cluster),
        "ray.yaml": _ray(cluster),
        "network.yaml": _network(cluster),
    }
    if cluster.job is not None:
        found["job.yaml"] = [_job(cluster, cluster.job)]
    return found


def _namespace(cluster: Cluster) -> dict[str, Any]:
    namespace = cluster.object("Namespace", cluster.namespace, "namespace")
    namespace["metadata"]["labels"].update(_RESTRICTED)
    return namespace


def _accounts(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        cluster.object("ServiceAccount", f"rung-{component}", component, automountServiceAccountToken=False)
        for component in (_CONTROL, _GATEWAY)
    ]


def _volume(cluster: Cluster) -> dict[str, Any]:
    """Give the volume that every machine sees: the workspace with its state."""
    specification = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{cluster.disk_gib}Gi"}},
    }
    return cluster.object("PersistentVolumeClaim", "rung-workspace", "workspace", spec=specification)


def _control(cluster: Cluster) -> list[dict[str, Any]]:
    ports = [_service_port("api", CONTROL_PORT), _service_port("gateway", GATEWAY_PORT)]
    return [
        _service(cluster, "rung-control", _CONTROL, ports),
        _stateful(cluster, _CONTROL, control_pod(cluster), replicas=1),
    ]


def _gateway(cluster: Cluster) -> list[dict[str, Any]]:
    """Give the gateways: their names last, so that one that comes back is known to the control plane."""
    stateful = _stateful(cluster, _GATEWAY, gateway_pod(cluster), replicas=cluster.gateways)
    stateful["spec"]["podManagementPolicy"] = "Parallel"
    return [
        _service(cluster, "rung-gateway", _GATEWAY, [{"name": "https", "port": 443, "targetPort": "https"}]),
        stateful,
        _budget(cluster, "rung-gateway", _GATEWAY, cluster.selector(_GATEWAY)),
    ]


def _ray(cluster: Cluster) -> list[dict[str, Any]]:
    groups = [_group(cluster, fit) for fit in fits(cluster.specifications)]
    specification = {
        "rayVersion": cluster.ray,
        "authOptions": {"mode": "token", "secretName": "rung-ray-token"},
        "enableInTreeAutoscaling": True,
        "headGroupSpec": {
            "rayStartParams": ray_parameters(None),
            "template": {"metadata": {"labels": cluster.labels(_RAY)}, "spec": ray_pod(cluster, None)},
        },
        "workerGroupSpecs": groups,
    }
    workers = {"ray.io/cluster": RAY, "ray.io/node-type": "worker"}
    return [
        cluster.object("RayCluster", RAY, _RAY, spec=specification),
        _budget(cluster, RAY, _RAY, workers),
    ]


def _group(cluster: Cluster, fit: Fit) -> dict[str, Any]:
    return {
        "groupName": fit.name,
        "replicas": fit.minimum,
        "minReplicas": fit.minimum,
        "maxReplicas": fit.maximum,
        "rayStartParams": ray_parameters(fit),
        "template": {"metadata": {"labels": cluster.labels(_RAY)}, "spec": ray_pod(cluster, fit)},
    }


def _job(cluster: Cluster, command: str) -> dict[str, Any]:
    """Give a command that runs once, on the cluster that is there."""
    specification = {
        "entrypoint": shlex.join(["sh", "-c", f"cd {WORKSPACE} && {command}"]),
        "clusterSelector": {"ray.io/cluster": RAY},
        "submissionMode": "HTTPMode",
    }
    return cluster.object("RayJob", "rung-job", "job", spec=specification)


def _network(cluster: Cluster) -> list[dict[str, Any]]:
    """Give who may speak with whom; what begins inside may go anywhere: stores and package indexes are elsewhere."""
    control, gateway, ray = (_pods(cluster.selector(one)) for one in (_CONTROL, _GATEWAY, _RAY))
    invited = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"rung/control": "allowed"}}}
    operator = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}}
    return [
        _policy(cluster, "rung-nobody", None, []),
        _policy(
            cluster,
            "rung-control",
            _CONTROL,
            [
                {"from": [gateway, invited], "ports": [{"port": CONTROL_PORT}, {"port": GATEWAY_PORT}]},
                {"from": [ray]},
            ],
        ),
        _policy(cluster, "rung-gateway", _GATEWAY, [{"ports": [{"port": GATEWAY_PORT}]}]),
        _policy(
            cluster,
            RAY,
            _RAY,
            [{"from": [control, ray, gateway]}, {"from": [operator], "ports": [{"port": 8265}]}],
        ),
    ]


def _policy(cluster: Cluster, name: str, component: str | None, ingress: list[dict[str, Any]]) -> dict[str, Any]:
    """Give who may reach a component; None: all pods, beside what other policies allow."""
    chosen = {} if component is None else {"matchLabels": cluster.selector(component)}
    specification = {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": ingress}
    return cluster.object("NetworkPolicy", name, component or "network", spec=specification)


def _pods(labels: dict[str, str]) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}


def _stateful(cluster: Cluster, component: str, pod: dict[str, Any], *, replicas: int) -> dict[str, Any]:
    specification = {
        "serviceName": f"rung-{component}",
        "replicas": replicas,
        "selector": {"matchLabels": cluster.selector(component)},
        "template": {"metadata": {"labels": cluster.labels(component)}, "spec": pod},
    }
    return cluster.object("StatefulSet", f"rung-{component}", component, spec=specification)


def _service(cluster: Cluster, name: str, component: str, ports: list[dict[str, Any]]) -> dict[str, Any]:
    return cluster.object("Service", name, component, spec={"selector": cluster.selector(component), "ports": ports})


def _service_port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": name}


def _budget(cluster: Cluster, name: str, component: str, chosen: dict[str, str]) -> dict[str, Any]:
    specification = {"maxUnavailable": 1, "selector": {"matchLabels": chosen}}
    return cluster.object("PodDisruptionBudget", name, component, spec=specification)
