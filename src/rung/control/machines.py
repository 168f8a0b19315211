"""The computes of a platform: this machine, and the cluster that the settings name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from rung.compute import local
from rung.compute.here import LocalCompute
from rung.compute.protocol import Seen
from rung.errors import UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.compute.protocol import Compute, Handle
    from rung.settings import Settings

Kind = Literal["local", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Where work runs. What a handle says tells whose it is: only this machine's has a process number."""

    default: Kind = "local"
    here: LocalCompute = field(default_factory=LocalCompute)
    cluster: Compute | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Give the computes that the settings name; nothing is asked yet."""
        if settings.compute_address is None:
            return cls()
        from rung.compute.ray import RayCompute  # noqa: PLC0415

        return cls(default=settings.compute, cluster=RayCompute(settings.compute_address, "rung"))

    def compute(self, kind: Kind | None = None) -> Compute:
        """Give a compute; None: the one of the settings.

        Raises:
            WorkspaceError: There is no cluster.
        """
        if (kind or self.default) == "local":
            return self.here
        if self.cluster is None:
            raise WorkspaceError("no cluster is set", hint='set compute_address = "HOST:PORT" in rung.toml')
        return self.cluster

    def compute_of(self, handle: Handle) -> Compute:
        """Give the compute that work was begun on.

        Raises:
            WorkspaceError: It was a cluster's, and none is set.
        """
        return self.compute("local" if is_here(handle) else "ray")

    def observe(self, handles: Mapping[str, Handle], before: Mapping[str, Seen]) -> dict[str, Seen]:
        """Look at all work; that of a cluster that does not answer is as it was before.

        Args:
            handles: By name.
            before: What was seen last.
        """
        local_ones = {name: handle for name, handle in handles.items() if is_here(handle)}
        others = {name: handle for name, handle in handles.items() if name not in local_ones}
        seen = dict(zip(local_ones, self.here.observe(list(local_ones.values())), strict=True))
        if others:
            try:
                found = self.compute("ray").observe(list(others.values()))
            except (UnavailableError, WorkspaceError) as error:
                found = [before.get(name, Seen(state="starting", because=error.message)) for name in others]
            seen |= dict(zip(others, found, strict=True))
        return seen


def is_here(handle: Handle) -> bool:
    """Tell whether work was begun on this machine."""
    return "pid" in handle


def process_of(handle: Handle) -> local.Process | None:
    """Give the process of work on this machine; None for a cluster's."""
    return local.Process.from_json(handle) if is_here(handle) else None
