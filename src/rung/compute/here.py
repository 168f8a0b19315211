"""The compute of one machine: work is a process that outlives the control plane and is adopted by the next one."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rung.compute import local
from rung.compute.protocol import ENDPOINT, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rung.compute.protocol import Handle, Work

__all__ = ["LocalCompute"]


@dataclass(frozen=True, slots=True)
class LocalCompute:
    """Runs work on this machine, which declared processors and memory do not bound."""

    def start(self, work: Work, *, record: Callable[[Handle], None]) -> Handle:
        """Begin the work; see `Compute.start`."""
        endpoint = None if work.socket is None else f"unix:{work.socket}"
        exit_file = work.command.exit_file
        more = {"endpoint": endpoint, "exit_file": None if exit_file is None else str(exit_file)}
        command = replace(
            work.command, argv=tuple(part.replace(ENDPOINT, endpoint or "") for part in work.command.argv)
        )
        process = local.start(command, record=lambda process: record({**process.to_json(), **more}))
        return {**process.to_json(), **more}

    def observe(self, handles: Sequence[Handle]) -> list[Seen]:
        """Look at work; see `Compute.observe`."""
        return [_look(handle) for handle in handles]

    def stop(self, handle: Handle, grace_s: float = 10.0) -> None:
        """End the work; see `Compute.stop`."""
        local.stop(local.Process.from_json(handle), grace_s)

    def usage(self, handle: Handle) -> local.Usage:
        """Measure the work; see `Compute.usage`."""
        return local.usage(local.Process.from_json(handle))


def _look(handle: Handle) -> Seen:
    alive = local.alive(local.Process.from_json(handle))  # ahead of the exit code, which is kept before it dies
    exit_file = handle.get("exit_file")
    code = None if exit_file is None else local.exit_code(Path(exit_file))
    if alive and code is None:
        return Seen(state="running", endpoint=handle.get("endpoint"), node=platform.node())
    return Seen(state="ended", exit_code=code, node=platform.node())
