"""Which control plane leads: with SQLite the workspace's lock decides, with PostgreSQL a lease; others stand by.

Time is the database's, and a leader shows its token with every write (`rung.registry`), so that one which was frozen or
cut off does no harm when it comes back: it finds that another leads, and ends at once, as if it had been killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from rung.compute import local
from rung.control._fence import Fence
from rung.control.machines import process_of
from rung.errors import ConflictError, LeaseLostError, UnavailableError

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.registry import Lease, Registry

LEASE_S = 10.0
"""A leader that is gone is replaced after that."""

STANDING_BY = "standing_by"
"""What the log says then."""

_RENEW_S = LEASE_S / 4
_LOOK_S = 0.5
_FENCE_S = 2.0  # that a leader which lost its lease may take to finish one file
_OUTLIVED_S = 20.0  # that it may take to find out, and to end itself

_log = structlog.get_logger("rung.control")


@dataclass(slots=True)
class Lead:
    """The lead of one workspace's platform, as this process has it or waits for it."""

    place: Place
    registry: Registry
    fence: Fence = field(init=False)
    has_waited: bool = False
    """Another led when this one came."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.fence = Fence(self.place.fence_file)

    def take(self, stop: threading.Event, *, within_s: float = float("inf")) -> bool:
        """Lead, as soon as nobody else does; from then on the lease is renewed until `give_back`.

        Args:
            stop: Ends the waiting.
            within_s: Wait so long at most, seconds.

        Returns:
            Whether this process leads: not when it was told to stop, or whoever led ended the platform.

        Raises:
            ConflictError: The platform runs on this machine from another state folder.
            UnavailableError: The registry does not answer.
        """
        deadline = time.monotonic() + within_s
        while True:
            try:
                last = self.registry.lease()
                if self.has_waited and last is not None and last.is_released:
                    _log.info("not_needed", because="whoever led has ended the platform")
                    return False
                if self._try(last):
                    return True
            except UnavailableError as error:
                if not self.has_waited:
                    raise
                _log.warning("registry_away", error=str(error))
            if not self.has_waited and last is not None:
                _log.info(STANDING_BY, leader=told(last), takes_over_after_s=LEASE_S)
                self.has_waited = True
            if stop.wait(_LOOK_S) or time.monotonic() > deadline:
                return False

    def give_back(self) -> None:
        """Lead no more: what was led has been stopped."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        self.registry.release_lead()

    def _try(self, last: Lease | None) -> bool:
        self._check_place(last)
        dead = last.token if last is not None and self._is_gone(last) else None
        if dead is None and self.registry.is_led():
            return False
        taken = self.registry.take_lead(
            holder(),
            str(self.place.workspace.state.resolve()),
            ttl_s=LEASE_S,
            dead=dead,
            stands_by=self.has_waited,
            above=self.fence.known(),
            on_loss=_end_at_once,
        )
        if taken is None:
            return False
        self._close_fence(taken.token, last)
        if last is not None and not last.is_released and _lives_here(last.holder):
            threading.Thread(target=self._see_off, args=(last,), name="former leader", daemon=True).start()
        _log.info("leading", token=taken.token, after=None if last is None else told(last))
        if self.registry.is_shared:
            self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._keeper.start()
        return True

    def _is_gone(self, last: Lease) -> bool:
        """Tell whether the holder is known to be dead; with SQLite whoever has the workspace's lock knows."""
        return not self.registry.is_shared or (not last.is_released and _died_here(last.holder))

    def _check_place(self, last: Lease | None) -> None:
        """See that gateway and servers that run here can be adopted: their sockets lie beside their state folder."""
        if last is None or last.place == str(self.place.workspace.state.resolve()):
            return
        mine = map(process_of, self.registry.processes().values())
        if any(one is not None and local.alive(one) for one in mine):
            raise ConflictError(
                f"the platform of {self.registry.backend.where} runs here with its state in {last.place}",
                hint=f"set RUNG_STATE={last.place} to stand by, or stop it first with `rung down`",
            )

    def _close_fence(self, token: int, last: Lease | None) -> None:
        """Shut the last leader out; one that was frozen while it wrote a file still has the lock: it is killed."""
        try:
            self.fence.close_to_others(token, within_s=_FENCE_S)
        except LeaseLostError:
            raise
        except UnavailableError:
            if last is not None:
                _kill(last.holder)
            self.fence.close_to_others(token, within_s=_FENCE_S)

    def _see_off(self, last: Lease) -> None:
        """End a former leader that stays frozen: it may hold the lock of a job, and it holds its port and memory."""
        if not self._ended.wait(_OUTLIVED_S) and _lives_here(last.holder):
            _log.warning("former_leader_killed", leader=told(last))
            _kill(last.holder)

    def _keep(self) -> None:
        """Renew the lease until it is given back; while the database is away nobody else can take it either."""
        while not self._ended.wait(_RENEW_S):
            try:
                self.registry.renew_lead()
            except UnavailableError as error:
                _log.warning("lease_not_renewed", error=str(error))


def holder() -> str:
    """Describe this process, so that others can tell whether it lives."""
    process = local.find(os.getpid())
    started, boot = (process.started, process.boot) if process is not None else (0.0, "")
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": started, "boot": _boot(boot)})


def told(lease: Lease) -> str:
    """Describe a holder for people."""
    if lease.is_released:
        return "nobody"
    found = json.loads(lease.holder)
    return f"process {found['pid']} on {found['host']}"


def _boot(boot: str) -> str:
    """Name the kernel's boot and the space of process ids: two containers share the first, not the second."""
    with suppress(OSError):
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return boot


def _here(spelt: str) -> dict[str, Any] | None:
    """Read a description of a process of this machine; None for one of another."""
    found: dict[str, Any] = json.loads(spelt)
    mine = json.loads(holder())
    return found if (found["host"], found["boot"]) == (mine["host"], mine["boot"]) else None


def _died_here(spelt: str) -> bool:
    return _here(spelt) is not None and not _lives_here(spelt)


def _lives_here(spelt: str) -> bool:
    found = _here(spelt)
    process = None if found is None else local.find(int(found["pid"]))
    return process is not None and found is not None and process.started == found["started"]


def _kill(spelt: str) -> None:
    found = _here(spelt)
    if found is not None and _lives_here(spelt):
        with suppress(ProcessLookupError):
            os.kill(int(found["pid"]), signal.SIGKILL)


def _end_at_once() -> None:
    """End this process as if it had been killed: gateway, servers and jobs go on, and another leads them."""
    _log.error("lease_lost", because="another control plane leads")
    os._exit(LeaseLostError.exit_code)
