"""Why work waits: what the machines of a cluster have, beside what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GIB = 2**30
DISK = "disk_gib"
_UNITS = {"CPU": "vCPUs", "GPU": "GPUs", DISK: "GiB of disk"}


def wanted(machine: Mapping[str, float], *, with_disk: bool) -> dict[str, float]:
    """Give what Ray is asked for, by the names of its resources.

    Args:
        machine: The fields of `Machine`.
        with_disk: Whether nodes say how much disk they have.

    >>> wanted({"vcpus": 2, "memory_gib": 0.5, "gpus": 0, "disk_gib": 5}, with_disk=False)
    {'CPU': 2, 'memory': 536870912, 'GPU': 0}
    """
    disk = {DISK: machine[DISK]} if with_disk else {}
    return {"CPU": machine["vcpus"], "memory": int(machine["memory_gib"] * GIB), "GPU": machine["gpus"], **disk}


def why_it_waits(needs: Mapping[str, float], machines: Sequence[Mapping[str, float]]) -> str:
    """Say what no machine has, or what the work waits for.

    >>> why_it_waits({"CPU": 8, "GPU": 0}, [{"CPU": 4}, {"CPU": 2}])
    'no machine has 8 vCPUs: the largest has 4 vCPUs'

    Args:
        needs: By the names of Ray's resources.
        machines: All that each machine has, in use or not.
    """
    for name, amount in needs.items():
        most = max((machine.get(name, 0.0) for machine in machines), default=0.0)
        if amount > most:
            return f"no machine has {_say(name, amount)}: the largest has {_say(name, most)}"
    together = ", ".join(_say(name, amount) for name, amount in needs.items() if amount)
    if not any(all(machine.get(name, 0.0) >= amount for name, amount in needs.items()) for machine in machines):
        return f"no machine has all of {together}"
    return f"it begins when a machine has {together} free"


def _say(name: str, amount: float) -> str:
    return f"{amount / GIB:.3g} GiB of memory" if name == "memory" else f"{amount:g} {_UNITS[name]}"
