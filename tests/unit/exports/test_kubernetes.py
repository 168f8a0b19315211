"""Manifests of the platform, held against the schemas of Kubernetes and what a cluster that is strict would refuse."""

from __future__ import annotations

import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kuberay_schema import check_kuberay

from rung.cli.gateway import command as verb
from rung.errors import CallError
from rung.exports._yaml import spell_yaml
from rung.exports.kubernetes import Cluster, manifests
from rung.exports.kubernetes._cluster import fits
from rung.infrastructure import Autoscaling, Infrastructure, ServingHardware, TrainingHardware

SMALL = Infrastructure(
    training=TrainingHardware(vcpus=2, memory_gib=4, disk_gib=20),
    serving=ServingHardware(vcpus=1, memory_gib=1.5, autoscaling=Autoscaling(minimum=1, maximum=4)),
)
LARGE = Infrastructure(
    training=TrainingHardware(vcpus=8, memory_gib=32, gpus=1, disk_gib=100),
    serving=ServingHardware(vcpus=4, memory_gib=1, autoscaling=Autoscaling(minimum=2, maximum=3)),
)
CLUSTER = Cluster(
    image="registry.example.org/rung@sha256:" + "0" * 64,
    version="0.1.0",
    ray="2.60.0",
    gateways=3,
    specifications=[SMALL, LARGE],
    job="rung predict 'a b' && true",
)
OBJECTS = [one for objects in manifests(CLUSTER).values() for one in objects]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in OBJECTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> list[dict[str, Any]]:
    """Templates of all pods."""
    found = [one["spec"]["template"] for one in OBJECTS if one["kind"] == "StatefulSet"]
    return found + [pod for one in OBJECTS if one["apiVersion"] == "ray.io/v1" for pod in check_kuberay(one)]


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_objects_are_what_kubernetes_takes(version: str):
    own = [yaml.safe_load(spell_yaml(one)) for one in OBJECTS if one["apiVersion"] != "ray.io/v1"]
    assert len(own) == 14
    for one in own:
        kubernetes_validate.validate(one, version, strict=True)
    for number, pod in enumerate(pods()):
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": pod["spec"]}
        kubernetes_validate.validate(whole, version, strict=True)


def test_what_kubernetes_does_not_know_is_told():
    broken = {**named("Service", "rung-gateway"), "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(broken, "1.31", strict=True)


def test_no_pod_may_more_than_a_restricted_namespace_allows():
    assert named("Namespace", "rung")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"].get("readOnlyRootFilesystem") or container["name"].startswith("ray-")
            assert {"requests", "limits"} <= container["resources"].keys()


def test_every_mount_has_its_volume():
    for pod in pods():
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        containers = (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
        assert {mount["name"] for one in containers for mount in one["volumeMounts"]} == volumes


def test_secrets_are_named_and_never_held():
    given = [
        variable
        for pod in pods()
        for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
        for variable in container["env"]
        if any(word in variable["name"] for word in ("TOKEN", "SECRET", "KEY", "REGISTRY", "STORAGE", "REPOSITORY"))
    ]
    assert {variable["name"] for variable in given} >= {"RUNG_REGISTRY", "RUNG_STORAGE", "RUNG_TOKEN", "REPOSITORY"}
    assert all("secretKeyRef" in variable["valueFrom"] for variable in given)
    assert [one for one in OBJECTS if one["kind"] == "Secret"] == []


def test_services_and_budgets_find_their_pods():
    for one in OBJECTS:
        chosen = {"Service": "selector", "PodDisruptionBudget": "selector"}.get(one["kind"])
        if chosen is None or one["metadata"]["name"] == "rung-ray":  # whose workers the operator labels
            continue
        wanted = one["spec"][chosen].get("matchLabels", one["spec"][chosen])
        assert [pod for pod in pods() if wanted.items() <= pod["metadata"]["labels"].items()]


def test_machines_fit_the_largest_of_their_kind():
    told = {fit.name: (fit.vcpus, fit.memory_gib, fit.gpus, fit.minimum, fit.maximum) for fit in fits([SMALL, LARGE])}
    assert told == {
        "serving": (4, 1.5, 0, 3, 7),
        "training": (2, 4, 0, 0, 1),
        "training-gpu": (8, 32, 1, 0, 1),
    }


def test_graphics_processors_are_asked_for_where_they_are_declared():
    groups = {one["groupName"]: one["template"] for one in named("RayCluster", "rung-ray")["spec"]["workerGroupSpecs"]}
    limits = {name: pod["spec"]["containers"][0]["resources"]["limits"] for name, pod in groups.items()}
    assert limits["training-gpu"] == {"cpu": "8", "memory": "33792Mi", "nvidia.com/gpu": 1}
    assert "nvidia.com/gpu" not in limits["serving"]


def test_gateways_keep_their_names():
    gateway = named("StatefulSet", "rung-gateway")["spec"]
    assert gateway["replicas"] == 3
    command = gateway["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--name") + 1] == "$(NAME)"


def test_gateway_command_is_one_of_rung():
    words = named("StatefulSet", "rung-gateway")["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[:3] == ["rung", "--control", "https://rung-control.rung.svc:4700"]
    assert words[3:5] == ["gateway", "run"]
    options = {option for parameter in verb.commands["run"].params for option in parameter.opts}
    assert {word for word in words[5:] if word.startswith("--")} <= options


def test_command_of_a_job_is_one_word_of_a_shell():

    entrypoint = shlex.split(named("RayJob", "rung-job")["spec"]["entrypoint"])
    assert entrypoint == ["sh", "-c", "cd /srv/rung/workspace && rung predict 'a b' && true"]


@pytest.mark.parametrize("namespace", ["Rung", "a_b", "-a", "a" * 64, ""])
def test_namespace_that_kubernetes_refuses_is_refused(namespace: str):
    with pytest.raises(CallError, match="is no namespace"):
        Cluster(image="rung:1", version="1", ray="2", namespace=namespace)
