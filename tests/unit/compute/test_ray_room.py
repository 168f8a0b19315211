from __future__ import annotations

import pytest

from rung.compute.ray._room import GIB, wanted, why_it_waits

MACHINES = [{"CPU": 8.0, "memory": 16.0 * GIB}, {"CPU": 2.0, "memory": 64.0 * GIB, "GPU": 1.0}]


def test_disk_is_asked_for_where_nodes_tell_it():
    machine = {"vcpus": 0.5, "memory_gib": 1, "gpus": 1, "disk_gib": 20}
    assert wanted(machine, with_disk=True) == {"CPU": 0.5, "memory": GIB, "GPU": 1, "disk_gib": 20}
    assert "disk_gib" not in wanted(machine, with_disk=False)


@pytest.mark.parametrize(
    ("needs", "because"),
    [
        ({"CPU": 9}, "no machine has 9 vCPUs: the largest has 8 vCPUs"),
        ({"CPU": 1, "memory": 65 * GIB}, "no machine has 65 GiB of memory: the largest has 64 GiB of memory"),
        ({"GPU": 2}, "no machine has 2 GPUs: the largest has 1 GPUs"),
        ({"disk_gib": 5}, "no machine has 5 GiB of disk: the largest has 0 GiB of disk"),
        ({"CPU": 4, "memory": 32 * GIB}, "no machine has all of 4 vCPUs, 32 GiB of memory"),
        ({"CPU": 4, "GPU": 0}, "it begins when a machine has 4 vCPUs free"),
    ],
    ids=["processors", "memory", "GPUs", "disk", "together", "busy"],
)
def test_reason_names_what_is_missing(needs: dict[str, float], because: str):
    assert why_it_waits(needs, MACHINES) == because


def test_cluster_without_machines_has_nothing():
    assert why_it_waits({"CPU": 1}, []) == "no machine has 1 vCPUs: the largest has 0 vCPUs"
