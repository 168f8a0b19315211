"""The pods of the platform: control plane, gateway, machines of Ray. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rung.exports.kubernetes._cluster import CONTROL_PORT, GATEWAY_PORT, RAY, USER, WORKSPACE, secret

if TYPE_CHECKING:
    from rung.exports.kubernetes._cluster import Cluster, Fit

__all__ = ["control_pod", "gateway_pod", "ray_pod"]

_CERTIFICATES: Final = "/etc/rung/tls"
_GIB: Final = 2**30
_GPU: Final = "nvidia.com/gpu"
_KILL: Final = (
    "import json, os, pathlib, signal; "
    f"told = json.loads(pathlib.Path('{WORKSPACE}/.rung/control.json').read_text()); "
    "os.kill(told['pid'], signal.SIGKILL)"
)
"""SIGTERM is an order to stop everything, servers on Ray too; a killed control plane is followed by the next one."""
_CLONE: Final = f'test -e {WORKSPACE}/rung.toml || git clone "$REPOSITORY" {WORKSPACE}'
_JOIN: Final = f'exec ray start --address="{RAY}-head-svc:6379" --num-cpus=0 --object-store-memory=100000000 --block'


def control_pod(cluster: Cluster) -> dict[str, Any]:
    """Give the pod of the control plane: a machine of the Ray cluster that offers no processors."""
    container = {
        "name": "control",
        "image": cluster.image,
        "command": ["python", "-m", "rung.control", "--workspace", WORKSPACE],
        "env": [*_home(), *_stores(), *_ray_token(), {"name": "RUNG_COMPUTE", "value": "ray"}, _address()],
        "ports": [_port("api", CONTROL_PORT), _port("gateway", GATEWAY_PORT)],
        "resources": {
            "requests": {"cpu": "1", "memory": "2Gi"},
            "limits": {"memory": "4Gi"},
        },
        "startupProbe": {**_probe("api"), "periodSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {**_probe("api"), "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**_probe("api"), "periodSeconds": 5},
        "lifecycle": {"preStop": {"exec": {"command": ["python", "-c", _KILL]}}},
        "volumeMounts": [_mount("workspace", WORKSPACE), _mount("tls", _CERTIFICATES, read_only=True), *_shared()],
        "securityContext": _confined(),
    }
    clone = {
        "name": "clone",
        "image": cluster.image,
        "command": ["sh", "-c", _CLONE],
        "env": [*_home(), secret("REPOSITORY", "rung-workspace", "repository")],
        "resources": _small(),
        "volumeMounts": [_mount("workspace", WORKSPACE), _mount("tmp", "/tmp")],  # noqa: S108  of the container
        "securityContext": _confined(),
    }
    ray = {
        "name": "ray",
        "image": cluster.image,
        "restartPolicy": "Always",  # a sidecar: there before the control plane, and as long as it
        "command": ["sh", "-c", _JOIN],
        "env": [*_home(), *_ray_token()],
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [_mount("workspace", WORKSPACE), *_shared()],
        "securityContext": _confined(),
    }
    return {
        **_pod(),
        "serviceAccountName": "rung-control",
        "automountServiceAccountToken": False,
        "shareProcessNamespace": True,  # the control plane is not process 1, which nothing inside could kill
        "initContainers": [clone, ray],
        "containers": [container],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": "rung-workspace"}},
            {"name": "tls", "secret": {"secretName": "rung-tls"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
        ],
    }


def gateway_pod(cluster: Cluster) -> dict[str, Any]:
    """Give the pod of a gateway: an Envoy that follows the control plane, and goes on without it."""
    command = [
        *("rung", "--control", f"https://rung-control.{cluster.namespace}.svc:{CONTROL_PORT}"),
        *("gateway", "run", "--name", "$(NAME)", "--port", str(GATEWAY_PORT)),
        *("--bind", "0.0.0.0"),  # noqa: S104  of a pod, which a policy of its own guards
        *("--certificate", f"{_CERTIFICATES}/tls.crt", "--key", f"{_CERTIFICATES}/tls.key"),
        *("--folder", "/var/lib/rung", "--drain", "50"),
    ]
    container = {
        "name": "gateway",
        "image": cluster.image,
        "command": command,
        "env": [
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *_home(),
            secret("RUNG_TOKEN", "rung-gateway", "token"),
            {"name": "SSL_CERT_FILE", "value": f"{_CERTIFICATES}/ca.crt"},
        ],
        "ports": [_port("https", GATEWAY_PORT)],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "startupProbe": {**_probe("https"), "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {**_probe("https"), "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**_probe("https"), "periodSeconds": 2},
        "volumeMounts": [
            _mount("tls", _CERTIFICATES, read_only=True),
            _mount("state", "/var/lib/rung"),
            _mount("tmp", "/tmp"),  # noqa: S108  of the container
        ],
        "securityContext": _confined(),
    }
    return {
        **_pod(),
        "serviceAccountName": "rung-gateway",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 60,
        "containers": [container],
        "volumes": [
            {"name": "tls", "secret": {"secretName": "rung-tls"}},
            {"name": "state", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": cluster.selector("gateway")},
            }
        ],
    }


def ray_pod(cluster: Cluster, fit: Fit | None) -> dict[str, Any]:
    """Give the pod of a machine of Ray: of a group, or of the head, on which nothing of a service runs."""
    cpu, memory = ("1", "4Gi") if fit is None else (str(fit.vcpus), f"{round(fit.limit_gib * 1024)}Mi")
    amounts = {"cpu": cpu, "memory": memory, **({_GPU: fit.gpus} if fit is not None and fit.gpus else {})}
    container = {
        "name": "ray-head" if fit is None else "ray-worker",
        "image": cluster.image,
        "env": [*_home(), *(_stores() if fit is None else [])],  # jobs begin on the head
        "resources": {"requests": amounts, "limits": amounts},  # Ray offers what the limits say
        "volumeMounts": [_mount("workspace", WORKSPACE), _mount("tmp", "/tmp")],  # noqa: S108  of the container
        "securityContext": {key: value for key, value in _confined().items() if key != "readOnlyRootFilesystem"},
    }
    if fit is None:
        container["ports"] = [_port("gcs-server", 6379), _port("dashboard", 8265)]
    return {
        **_pod(),
        **({} if fit is None else {"automountServiceAccountToken": False}),  # the head's autoscaler asks for machines
        "containers": [container],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": "rung-workspace"}},
            {"name": "tmp", "emptyDir": {} if fit is None else {"sizeLimit": f"{round(fit.disk_gib * 1024)}Mi"}},
        ],
    }


def ray_parameters(fit: Fit | None) -> dict[str, str]:
    """Give what `ray start` is told on a machine; rows and models do not pass through Ray's store of objects."""
    told = {"object-store-memory": "100000000"}
    if fit is None:
        return {**told, "num-cpus": "0", "dashboard-host": "0.0.0.0"}  # noqa: S104  reached by the operator alone
    return {
        **told,
        "memory": str(int(fit.memory_gib * _GIB)),
        "resources": f"'{{\"disk_gib\": {fit.disk_gib:g}}}'",
    }


def _pod() -> dict[str, Any]:
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }


def _confined() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _stores() -> list[dict[str, Any]]:
    """Give the registry and the storage: URLs with passwords, and the keys of the store."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")
    return [
        secret("RUNG_REGISTRY", "rung-registry", "url"),
        secret("RUNG_STORAGE", "rung-storage", "url"),
        *(secret(name, "rung-storage", name, optional=True) for name in names),
        secret("RUNG_ONLINE_STORE", "rung-online-store", "url", optional=True),
    ]


def _ray_token() -> list[dict[str, Any]]:
    return [{"name": "RAY_AUTH_MODE", "value": "token"}, secret("RAY_AUTH_TOKEN", "rung-ray-token", "auth_token")]


def _address() -> dict[str, str]:
    return {"name": "RUNG_COMPUTE_ADDRESS", "value": f"{RAY}-head-svc:6379"}


def _home() -> list[dict[str, str]]:
    variables = {"HOME": "/tmp/home", "UV_CACHE_DIR": "/tmp/uv", "XDG_RUNTIME_DIR": "/tmp"}  # noqa: S108  as above
    return [{"name": name, "value": value} for name, value in variables.items()]


def _shared() -> list[dict[str, Any]]:
    """Give what a driver of Ray shares with the Ray of its machine: sockets, and the store of objects."""
    return [_mount("tmp", "/tmp"), _mount("shm", "/dev/shm")]  # noqa: S108  of the pod


def _small() -> dict[str, Any]:
    return {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def _mount(name: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "containerPort": number}


def _probe(port: str) -> dict[str, Any]:
    return {"httpGet": {"path": "/healthz", "port": port, "scheme": "HTTPS"}, "timeoutSeconds": 2}
