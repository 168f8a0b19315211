"""The workers of a batch, wherever a compute runs them, and the parts that each of them has.

Every worker has a folder of its own, into which a few parts are dealt ahead; `rung_worker` says how it is used. Where a
worker's machine does not see that folder, what is in it moves there and back through the storage. A worker that is cut
off is replaced, and its parts are dealt anew.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.compute.exchanges import ALIVE, Exchange, clear
from rung.compute.local import Command
from rung.compute.protocol import Machine, Work
from rung.errors import RungError, TaskError, UnavailableError
from rung.exports import HANDLERS
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rung.compute.protocol import Compute, Handle, Parcel, Seen

__all__ = ["Crew", "Post", "least_busy"]

_INSIDE: Final = (HANDLERS, Path(__file__).parent / "inside" / "rung_worker.py")
_ORDER: Final = "order.json"
_NOT_READY, _UNAVAILABLE = 3, 4  # as `rung_worker` ends
_HELD: Final = 3  # parts that a worker has at once: one that it is at, and some that wait for it
_REPLACED: Final = 3  # workers, in one batch
_WATCH_S: Final = 0.5
_GRACE_S: Final = 2.0
_TALE: Final = 5  # lines of a log that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where and as what each worker runs."""

    name: str  # of the batch; works are named by it
    python: str  # of the revision's environment
    source: Path  # the snapshot
    environment: Mapping[str, str]
    machine: Machine
    pack: Callable[[Mapping[str, Path]], Parcel | None]  # what it needs, with these files, where the folder is not seen


@dataclass(slots=True, kw_only=True)
class _Worker:
    """One process, and the parts that it has not given back."""

    folder: Path
    handle: Handle = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    is_running: bool = False
    exchange: Exchange | None = None  # with the machine that does not see the folder


@dataclass(slots=True, kw_only=True)
class Crew:
    """Workers that run."""

    compute: Compute
    post: Post
    state: Path  # the platform's folder
    folder: Path  # below it, of this crew alone
    peak_bytes: int = 0  # memory of all workers together at the most
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _loose: dict[int, bytes] = field(default_factory=dict)
    """Parts of workers that were cut off."""
    _parcel: Parcel | None = None
    _begun: int = 0
    _replaced: int = 0
    _watched: float = 0.0

    def begin(self, order: Mapping[str, Any], workers: int) -> None:
        """Make the folder, write the order, start the workers.

        Raises:
            UnavailableError: The compute or the storage does not answer.
        """
        self.folder.mkdir(parents=True)
        (self.folder / _ORDER).write_text(json.dumps(order), encoding="utf-8")
        for path in _INSIDE:
            shutil.copyfile(path, self.folder / path.name)
        names = (_ORDER, *(path.name for path in _INSIDE))
        self._parcel = self.post.pack({self._key(self.folder / name): self.folder / name for name in names})
        for _ in range(workers):
            self._start()

    @property
    def has_room(self) -> bool:
        """Whether a worker may have another part."""
        return not self._loose and self._free() is not None

    def give(self, number: int, lines: bytes) -> None:
        """Hand out a part, one row as JSON in each line; call it when there is room."""
        self._loose[number] = lines
        self._deal()

    def returned(self) -> Iterator[tuple[int, list[tuple[Any, str | None]]]]:
        """Give the parts that came back: number, and for each row its prediction, or why there is none.

        A part may come back twice, when a worker that was taken for dead is only late.

        Raises:
            TaskError: The revision cannot be served, or its workers die again and again.
            UnavailableError: Something that the handlers need, the compute or the storage does not answer.
            IntegrityError: Somebody changed what went through the storage.
        """
        for worker in self._workers.values():
            for path in sorted(worker.folder.glob("*.out")):
                lines = path.read_bytes().splitlines()
                path.unlink()
                worker.parts.pop(int(path.stem), None)
                yield int(path.stem), [tuple(json.loads(line)) for line in lines]
        self._watch()
        self._deal()

    def end(self) -> None:
        """Stop all workers; take away the folder, and what is of it in the storage."""
        for worker in self._workers.values():
            self._dismiss(worker)
        self._workers.clear()
        if self._parcel is not None:
            with suppress(RungError):  # the next batch removes it
                clear(open_objects(self._parcel.storage), self._key(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self._begun += 1
        folder = self.folder / f"w{self._begun}"
        folder.mkdir()
        (folder / ALIVE).touch()
        command = Command(
            argv=(self.post.python, str(self.folder / "rung_worker.py"), str(folder)),
            folder=self.post.source,
            environment=self.post.environment,
            log=folder.with_suffix(".log"),
            exit_file=folder.with_suffix(".exit"),
        )
        worker = self._workers[folder.name] = _Worker(folder=folder)
        parcel = self._parcel and replace(self._parcel, exchange=self._key(folder), secret=secrets.token_hex())
        if parcel is not None:
            worker.exchange = Exchange(
                folder, open_objects(parcel.storage), key=parcel.exchange, secret=parcel.secret, is_host=True
            )
        work = Work(name=f"{self.post.name}-{folder.name}", command=command, machine=self.post.machine, parcel=parcel)
        self.compute.start(work, record=lambda handle: setattr(worker, "handle", handle))

    def _free(self) -> _Worker | None:
        running = {name: len(one.parts) for name, one in self._workers.items() if one.is_running}
        name = least_busy(running, most=_HELD)
        return None if name is None else self._workers[name]

    def _deal(self) -> None:
        """Put parts into the folders of those that have the fewest."""
        while self._loose and (worker := self._free()) is not None:
            number = min(self._loose)
            lines = worker.parts[number] = self._loose.pop(number)
            unfinished = worker.folder / f"{number:09}.given"
            unfinished.write_bytes(lines)
            unfinished.rename(unfinished.with_suffix(".in"))

    def _watch(self) -> None:
        """Now and then: say that the batch goes on, see to the workers, measure what they use."""
        now = time.monotonic()
        if now - self._watched < _WATCH_S:
            return
        self._watched = now
        workers = dict(self._workers)
        found = self.compute.observe([one.handle for one in workers.values()])
        for (name, worker), seen in zip(workers.items(), found, strict=True):
            (worker.folder / ALIVE).touch()
            worker.is_running = seen.state == "running"
            if seen.is_away and worker.exchange is not None:
                worker.exchange.follow()
                if worker.exchange.trouble is not None:
                    raise worker.exchange.trouble
            if seen.state == "ended":
                self._replace(name, seen)
        used = sum(self.compute.usage(one.handle).memory_bytes for one in self._workers.values())
        self.peak_bytes = max(self.peak_bytes, used)

    def _replace(self, name: str, seen: Seen) -> None:
        """Begin another worker in place of one that was cut off; one that says why it ended is not asked again."""
        code, said = seen.exit_code, self._said(name) or ([seen.because] if seen.because else [])
        last = said[-1] if said else "it said nothing"
        if code == _NOT_READY:
            raise TaskError(f"the revision cannot be asked: {last}", hint="`rung verify` and `rung logs` say more")
        if code == _UNAVAILABLE:
            raise UnavailableError(f"predictions are not to be had now: {last}", hint="the same command goes on later")
        self._replaced += 1
        if self._replaced > _REPLACED:
            told = "was cut off" if code is None else f"ended with {code}"
            raise TaskError(
                f"workers of the batch died {self._replaced} times, the last one {told}",
                hint="; ".join(said) or "its log is empty; is there enough memory? --parallel 1 takes the least",
            )
        worker = self._workers.pop(name)
        self._loose |= worker.parts
        self._dismiss(worker)
        self._start()

    def _dismiss(self, worker: _Worker) -> None:
        if worker.exchange is not None:
            worker.exchange.end()
        if worker.handle:
            self.compute.stop(worker.handle, _GRACE_S)

    def _said(self, name: str) -> list[str]:
        log = self.folder / f"{name}.log"
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TALE:] if log.is_file() else []

    def _key(self, path: Path) -> str:
        """Name a path in the storage: as it is below the platform's folder."""
        return path.relative_to(self.state).as_posix()


def least_busy(running: Mapping[str, int], *, most: int) -> str | None:
    """Name the worker that gets the next part; None: none may have another one.

    >>> least_busy({"w1": 2, "w2": 1, "w3": 1}, most=3)
    'w2'

    Args:
        running: How many parts each worker has.
        most: Parts that a worker may have.
    """
    free = [name for name, held in running.items() if held < most]
    return min(free, key=lambda name: running[name], default=None)
