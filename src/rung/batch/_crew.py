"""The workers of a batch, wherever a compute runs them, and the folder through which parts go to them and come back.

`rung_worker` says how the folder is used. A worker that is cut off is replaced, and what it had taken is given back.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.compute.local import Command
from rung.compute.protocol import Machine, Work
from rung.errors import TaskError, UnavailableError
from rung.exports import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.compute.protocol import Compute, Handle

__all__ = ["Crew", "Post"]

_INSIDE: Final = (HANDLERS, Path(__file__).parent / "inside" / "rung_worker.py")
_NOT_READY, _UNAVAILABLE = 3, 4  # as `rung_worker` ends
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


@dataclass(slots=True, kw_only=True)
class Crew:
    """Workers that run, and the parts that they have not given back."""

    compute: Compute
    post: Post
    folder: Path
    peak_bytes: int = 0  # memory of all workers together at the most
    _handles: dict[str, Handle] = field(default_factory=dict)
    _replaced: int = 0
    _watched: float = 0.0

    def begin(self, order: Mapping[str, Any], workers: int) -> None:
        """Make the folder, write the order, start the workers.

        Raises:
            UnavailableError: The compute does not answer.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
        for path in _INSIDE:
            shutil.copyfile(path, self.folder / path.name)
        (self.folder / "alive").touch()
        for number in range(1, workers + 1):
            self._start(f"w{number}")

    def give(self, number: int, lines: bytes) -> None:
        """Hand out a part: one row as JSON in each line."""
        unfinished = self.folder / f"{number:09}.given"
        unfinished.write_bytes(lines)
        unfinished.rename(unfinished.with_suffix(".in"))

    def returned(self) -> Iterator[tuple[int, list[tuple[Any, str | None]]]]:
        """Give the parts that came back: number, and for each row its prediction, or why there is none.

        Raises:
            TaskError: The revision cannot be served, or its workers die again and again.
            UnavailableError: Something that the handlers need, or the compute, does not answer.
        """
        self._watch()
        for path in sorted(self.folder.glob("*.out")):
            lines = path.read_bytes().splitlines()
            path.unlink()
            yield int(path.stem), [tuple(json.loads(line)) for line in lines]

    def end(self) -> None:
        """Stop all workers; take the folder away."""
        for handle in self._handles.values():
            self.compute.stop(handle, _GRACE_S)
        self._handles.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, name: str) -> None:
        arguments = (self.post.python, str(self.folder / "rung_worker.py"), str(self.folder), name)
        command = Command(
            argv=arguments,
            folder=self.post.source,
            environment=self.post.environment,
            log=self.folder / f"{name}.log",
            exit_file=self.folder / f"{name}.exit",
        )
        work = Work(name=f"{self.post.name}-{name}-{self._replaced}", command=command, machine=self.post.machine)
        self.compute.start(work, record=lambda handle: self._handles.__setitem__(name, handle))

    def _watch(self) -> None:
        """Now and then: say that the batch goes on, see to the workers, measure what they use."""
        now = time.monotonic()
        if now - self._watched < _WATCH_S:
            return
        self._watched = now
        (self.folder / "alive").touch()
        names = list(self._handles)
        for name, seen in zip(names, self.compute.observe([self._handles[one] for one in names]), strict=True):
            if seen.state == "ended":
                self._replace(name, seen.exit_code)
        used = sum(self.compute.usage(handle).memory_bytes for handle in self._handles.values())
        self.peak_bytes = max(self.peak_bytes, used)

    def _replace(self, name: str, code: int | None) -> None:
        """Begin a worker anew that was cut off; one that says why it ended is not asked again."""
        said = self._said(name)
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
                hint="; ".join(said) or "its log is empty; is there enough memory? --workers 1 takes the least",
            )
        for path in self.folder.glob(f"*.taken.{name}"):
            path.rename(path.with_name(f"{path.name.partition('.')[0]}.in"))
        self._start(name)

    def _said(self, name: str) -> list[str]:
        log = self.folder / f"{name}.log"
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TALE:] if log.is_file() else []
