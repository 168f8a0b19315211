"""What the operator of KubeRay 1.7 takes for a cluster and a job, as far as manifests of ours go.

Its custom resource definitions are in no package of an index, so the fields are written down here, by hand, from
https://ray-project.github.io/kuberay/reference/api/. Pods are checked with the schemas of Kubernetes itself.
"""

from __future__ import annotations

from typing import Any, Final

import jsonschema_rs

__all__ = ["check_kuberay"]


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_STARTED: Final = {"type": "object", "additionalProperties": _TEXT}
_POD: Final = _closed({"metadata": {"type": "object"}, "spec": {"type": "object"}}, "spec")
_GROUP: Final = _closed(
    {
        "groupName": _TEXT,
        "replicas": _COUNT,
        "minReplicas": _COUNT,
        "maxReplicas": _COUNT,
        "rayStartParams": _STARTED,
        "template": _POD,
    },
    *("groupName", "minReplicas", "maxReplicas", "template"),
)
_CLUSTER: Final = _closed(
    {
        "rayVersion": _TEXT,
        "enableInTreeAutoscaling": {"type": "boolean"},
        "authOptions": _closed({"mode": {"enum": ["disabled", "token"]}, "secretName": _TEXT}),
        "headGroupSpec": _closed({"rayStartParams": _STARTED, "template": _POD}, "template"),
        "workerGroupSpecs": {"type": "array", "items": _GROUP},
    },
    "headGroupSpec",
)
_JOB: Final = _closed(
    {
        "entrypoint": _TEXT,
        "clusterSelector": _closed({"ray.io/cluster": {"type": "string", "minLength": 1}}, "ray.io/cluster"),
        "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
    },
    *("entrypoint", "clusterSelector"),
)
_KINDS: Final = {"RayCluster": _CLUSTER, "RayJob": _JOB}


def check_kuberay(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold a manifest of KubeRay against what the operator takes; give the templates of pods in it."""
    assert manifest["apiVersion"] == "ray.io/v1"
    specification = manifest["spec"]
    jsonschema_rs.validator_for(_KINDS[manifest["kind"]]).validate(specification)
    if manifest["kind"] == "RayJob":
        return []
    groups = specification["workerGroupSpecs"]
    assert len({group["groupName"] for group in groups}) == len(groups)
    assert all(group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] for group in groups)
    return [specification["headGroupSpec"]["template"], *(group["template"] for group in groups)]
