"""Work on a node that does not see the platform's folder: what it needs is brought, what it leaves is given back.

The node has a folder of its own for each platform, which the next work there finds again: artifacts, environments, the
cache of trainings, log lines that were not sent yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rung.compute import nodes, parcels
from rung.compute.exchanges import ALIVE, Exchange
from rung.compute.followed import Followed, is_followed
from rung.compute.protocol import Parcel
from rung.errors import RungError, UnavailableError
from rung.lake import sending
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.objects import Objects

T = TypeVar("T")

_SEND_S = 1.0  # what a node that is lost had not sent yet is lost with it
_AGAIN_S = 2.0  # after a storage that did not answer, or did not have something yet
_PATIENCE_S = 3600.0  # then the work has failed
_LAST_BYTES = 4096  # of a log, in which its last line is looked for


class Notes(Protocol):
    """What one life of an actor tells the next, through the head of the cluster."""

    def read(self) -> dict[str, list[str]]:
        """Give what was told last; nothing at first."""
        ...

    def write(self, kept: Mapping[str, list[str]]) -> None:
        """Tell something else."""
        ...


class Visit:
    """One piece of work, which is away from the platform's folder."""

    def __init__(self, name: str, order: Mapping[str, Any], notes: Notes) -> None:
        self.because = "this node does not see the workspace's folder, and is brought what the work needs"
        self._order = order
        self._parcel = Parcel(**order["parcel"])
        self._folder = folder_of(self._parcel)
        self._own = self._folder / nodes.WORKS / name
        self._stay = nodes.Stay(self._folder, name, self._parcel)
        self.exit_file = self._own / "exit_code"
        self.log = self._own / "log"
        followed = self._own_name("log")
        self._followed = Followed(self.log, name=followed, work=name) if is_followed(followed) else None
        self._exchange: Exchange | None = None
        self._notes = notes
        self._steps: parcels.Steps | None = None
        self._told: dict[str, list[str]] = {}
        self._sending = threading.Lock()
        self._ending = threading.Lock()
        self._is_over = threading.Event()

    @cached_property
    def _objects(self) -> Objects:
        return open_objects(self._parcel.storage)

    def bring(self) -> dict[str, Any]:
        """Bring what is needed; give the order as it is to be carried out here.

        Raises:
            RungError: It cannot be had.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._stay.arriving(now=time.time()):
            places = self._patiently(lambda: parcels.bring(self._parcel, self._folder))
            self._stay.note_environment(Path(places[self._parcel.environment]))
        with contextlib.suppress(OSError, ValueError):  # the next work tidies up
            nodes.tidy(self._folder, now=time.time())
        if self._parcel.steps:
            self._steps = steps = parcels.Steps(self._parcel, self._folder)
            self._patiently(lambda: steps.bring({**self._parcel.kept, **self._notes.read()}))
        if self._parcel.exchange:
            self._open_exchange(self._parcel.exchange)
        environment = self._order["environment"]
        return {
            **self._order,
            "argv": [parcels.moved(part, places) for part in self._order["argv"]],
            "folder": parcels.moved(self._order["folder"], places),
            "environment": {name: parcels.moved(value, places) for name, value in environment.items()},
            "log": str(self.log),
            "exit_file": str(self.exit_file),
        }

    def follow(self) -> None:
        """Send what is logged here, until this work is over; return at once."""
        if self._exchange is not None:
            self._exchange.follow()
        threading.Thread(target=self._keep_sending, daemon=True).start()

    def send(self) -> None:
        """Send what is new in the logs; predictions that cannot be sent now are sent by the next work here."""
        with self._sending, contextlib.suppress(RungError, OSError):
            if self._followed is not None:
                self._followed.send(self._objects)
            sending.send(self._folder / "lake" / "log", self._objects)

    @property
    def gives_back(self) -> bool:
        """Whether anything comes back when the command has ended."""
        return bool(self._parcel.returns)

    def give_back(self) -> str:
        """Give back what the command left; the digest of the list of it, or nothing where nothing is asked for.

        Raises:
            RungError: It cannot be given back.
        """
        if not self.gives_back:
            return ""
        more = {self._own_name("log"): self.log, self._own_name("exit_file"): self.exit_file}
        if self._steps is not None and self._parcel.steps in self._parcel.returns:
            self._patiently(self._steps.keep)
            more |= {path.relative_to(self._folder).as_posix(): path for path in self._steps.own}
        return self._patiently(lambda: parcels.give_back(self._parcel, self._folder, more=more))

    def end(self) -> None:
        """Send the last lines, and follow no more."""
        with self._ending:  # whoever stops it and whoever sees it end come at once
            self._is_over.set()
            self.send()
            if self._exchange is not None:
                self._exchange.end()
                with contextlib.suppress(RungError, OSError):
                    self._exchange.move()
                shutil.rmtree(self._folder / self._parcel.exchange, ignore_errors=True)
            self._stay.end(now=time.time())

    def last_words(self) -> str:
        """Say why nothing moved any more, or give the last line of the log."""
        if self._exchange is not None and self._exchange.trouble is not None:
            return str(self._exchange.trouble)
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _LAST_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""

    def _open_exchange(self, key: str) -> None:
        folder = self._folder / key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ALIVE).touch()
        self._exchange = Exchange(folder, self._objects, key=key, secret=self._parcel.secret, is_host=False)

    def _own_name(self, file: str) -> str:
        return Path(self._order[file]).relative_to(self._parcel.state).as_posix()

    def _keep_sending(self) -> None:
        while not self._is_over.wait(_SEND_S):
            self._stay.touch(now=time.time())
            self.send()
            with contextlib.suppress(Exception):  # whatever Ray raises while its head is away: told a second later
                self._keep_steps()

    def _keep_steps(self) -> None:
        kept = self._told if self._steps is None else self._steps.keep()
        if kept != self._told:
            self._notes.write(kept)
            self._told = kept

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do what needs the storage; one that does not answer is asked again, for an hour."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return work()
            except UnavailableError as error:
                self.because = str(error)
                if time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN_S)


def folder_of(parcel: Parcel) -> Path:
    """Name the folder that a platform has on this machine."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(f"{parcel.storage}\n{parcel.state}".encode()).hexdigest()[:10]
    return Path(base) / "rung" / "nodes" / name
