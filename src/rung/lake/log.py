"""The log of predictions and outcomes: one append-only file per process, kept by the kernel before the answer leaves.

Revision servers and the control plane write it; `Lake.ship` moves it into tables. Standard library only, because it
runs in environments that hold a service's own requirements and nothing of the lake's.

A file is named `STREAM-PID-NANOSECONDS-TOKEN.jsonl` and is locked (flock) while its writer lives, so that nobody needs
to ask whether a process is still there. A line is one JSON object and ends with a line feed. Two kinds exist; times are
microseconds since 1970 in UTC, and JSON that belongs to the service is kept as text, byte for byte as it was:

| stream        | fields |
|---------------|--------|
| `predictions` | id, time, revision, route, unit, experiment, arm, propensity, kind, status, duration_ms, |
|               | instances, parameters, predictions, error, features (where there are some) |
| `outcomes`    | id, service, metric, value, unit, prediction_id, time, received |
"""

from __future__ import annotations

import fcntl
import math
import os
import threading
import time as clock
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rung.errors import CallError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OUTCOMES", "PREDICTIONS", "AppendLog", "Arm", "Kind", "outcome_line", "prediction_line", "try_lock"]

PREDICTIONS: Final = "predictions"
OUTCOMES: Final = "outcomes"

Arm: TypeAlias = str
"""The arm that a unit was assigned to, whichever revision answered.

`incumbent` or `challenger` in an A/B test, in a bandit the revision's short name, such as `m3`, the incumbent's too;
`none` outside an experiment.
"""

Kind: TypeAlias = Literal["production", "exact", "shadow", "replay", "test", "load"]
"""How a request came: by the production path, to exactly one revision, mirrored, replayed, or from a test."""


class AppendLog:
    r"""Append lines to a file of this process's own; what `append` returned from survives `kill -9`.

    Safe between threads and after a fork: each process opens its own file at its first line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = AppendLog(folder, stream="outcomes")
    ...     log.append(b'{"value": 1}\n')
    ...     log.close()
    ...     [path.read_bytes() for path in Path(folder).iterdir()]
    [b'{"value": 1}\n']
    """

    def __init__(self, folder: str | Path, stream: str = PREDICTIONS, *, max_bytes: int = 64 << 20) -> None:
        if not stream.isidentifier():
            raise CallError(f"{stream!r} cannot name a stream", hint="use letters, digits and _")
        self._folder = Path(folder)
        self._stream = stream
        self._max_bytes = max_bytes
        self._writers: dict[int, _Writer] = {}

    def append(self, line: bytes) -> None:
        """Hand one line to the kernel (a few microseconds): it survives the process, not a loss of power.

        Raises:
            CallError: The bytes are not one line that ends with a line feed.
            UnavailableError: The disk did not take it; nothing of it stays in the log.
        """
        _check(line)
        self._writer().write(line)

    def append_lines(self, lines: Sequence[bytes]) -> None:
        """As `append`, of several lines in one write: the kernel takes all of them or none.

        Raises:
            CallError: One of them is not a line that ends with a line feed.
            UnavailableError: The disk did not take them.
        """
        for line in lines:
            _check(line)
        if lines:
            self._writer().write(b"".join(lines))

    def append_durable(self, line: bytes) -> None:
        """Append, and return when it is on the disk (milliseconds). Threads that wait together share one fsync.

        An event loop must call it in a thread. Several lines at once may be given as one `bytes` object.

        Raises:
            CallError: The bytes are not lines that each end with a line feed.
            UnavailableError: The disk did not take them.
        """
        if not line.endswith(b"\n"):
            raise CallError("a durable append needs whole lines", hint="end each with a line feed")
        writer = self._writer()
        writer.sync(writer.write(line, durable=True))

    def close(self) -> None:
        """Close this process's file. A later line opens another."""
        writer = self._writers.pop(os.getpid(), None)
        if writer is not None:
            writer.close()

    def _writer(self) -> _Writer:
        pid = os.getpid()
        writer = self._writers.get(pid)
        if writer is None:
            # One dictionary operation, so that the first lines of two threads still meet in one writer.
            writer = self._writers.setdefault(pid, _Writer(self._folder, self._stream, self._max_bytes))
            for parent in [other for other in self._writers if other != pid]:
                self._writers.pop(parent).forget()
        return writer


class _Writer:
    """The open file of one process and one stream."""

    def __init__(self, folder: Path, stream: str, max_bytes: int) -> None:
        self._folder = folder
        self._stream = stream
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._file = -1
        self._size = 0  # bytes in the file
        self._written = 0  # bytes that this writer ever wrote
        self._wanted = 0  # of these, bytes that somebody waits to have on the disk
        self._synced = 0  # of these, bytes that are on the disk
        self._lost = 0  # of these, bytes of which an fsync failed: the kernel tells that only once

    def write(self, data: bytes, *, durable: bool = False) -> int:
        """Write whole lines or nothing, and return the position after them."""
        with self._lock:
            try:
                if self._file < 0 or self._size >= self._max_bytes:
                    self._rotate()
                count = os.write(self._file, data)
            except OSError as error:
                raise self._refusal(error) from error
            if count != len(data):
                self._take_back()
                raise self._refusal(f"it took {count} of {len(data)} bytes")
            self._size += count
            self._written += count
            if durable:
                self._wanted = self._written
            return self._written

    def sync(self, position: int) -> None:
        """Return when everything before the position is on the disk."""
        with self._sync_lock:
            with self._lock:
                written = self._written
                handle = os.dup(self._file) if self._pending(position) else -1
            if handle >= 0:
                try:
                    self._fsync(handle, written)
                finally:
                    os.close(handle)
        if position <= self._lost:
            raise self._refusal("the line may be lost")

    def close(self) -> None:
        with self._lock:
            self._finish()

    def forget(self) -> None:
        """Let go of a file that came through a fork: the parent goes on with it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _pending(self, position: int) -> bool:
        return position > max(self._synced, self._lost)

    def _fsync(self, handle: int, written: int) -> None:
        try:
            os.fsync(handle)
        except OSError:
            self._lost = max(self._lost, written)
        else:
            self._synced = max(self._synced, written)

    def _rotate(self) -> None:
        self._finish()
        self._file = _create(self._folder, self._stream)
        self._size = 0

    def _finish(self) -> None:
        if self._file < 0:
            return
        if self._pending(self._wanted):
            self._fsync(self._file, self._written)
        os.close(self._file)
        self._file = -1

    def _take_back(self) -> None:
        """Remove a half-written line, so that the next one does not continue it."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._finish()  # the half ends a closed file, where the shipper knows it for what it is

    def _refusal(self, reason: str | OSError) -> UnavailableError:
        why = reason if isinstance(reason, str) else reason.strerror
        return UnavailableError(
            f"the disk refused a line of the log {self._stream!r} in {self._folder}: {why}",
            hint="free space there, then send the same again",
        )


def try_lock(file: int) -> bool:
    """Tell whether the writer let go of an open log file: it holds a lock from before its first line to its last."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _create(folder: Path, stream: str) -> int:
    """Open a new file with the writer's lock on it."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        name = f"{stream}-{os.getpid()}-{clock.time_ns()}-{os.urandom(4).hex()}.jsonl"
        file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            _sync_folder(folder)
            return file
        os.close(file)  # the shipper held an empty file without an owner, and removed it


def _sync_folder(folder: Path) -> None:
    """Put the names in the folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(line: bytes) -> None:
    if line.find(b"\n") != len(line) - 1 or not line:
        raise CallError("an append needs exactly one line", hint="end it with a line feed and hold no other")


def prediction_line(  # noqa: PLR0913  # once per request: a dataclass first would cost as much as the write
    *,
    id: str,  # noqa: A002  # the field's name in the line
    revision: str,
    time: int,
    status: int,
    duration_ms: float,
    kind: Kind,
    instances: bytes,
    route: str = "predict",
    unit: str | None = None,
    experiment: str | None = None,
    arm: Arm | None = None,
    propensity: float | None = None,
    parameters: bytes | None = None,
    predictions: bytes | None = None,
    error: bytes | None = None,
    features: bytes | None = None,
) -> bytes:
    """Build the line of one answered request, in about three microseconds.

    Args:
        id: The prediction id that the answer carries.
        revision: The revision that answered, as `housing.v1.m2`.
        time: When the request came, microseconds since 1970 in UTC.
        status: HTTP status of the answer.
        duration_ms: Milliseconds from request to answer.
        kind: How the request came.
        instances: The request's instances, the bytes of a JSON array.
        route: The route's name.
        unit: Who or what the A/B test assigns.
        experiment: The experiment that runs at the gateway.
        arm: The arm that the unit was assigned to.
        propensity: Probability with which that arm was chosen, above 0 and at most 1.
        parameters: The request's parameters, JSON bytes.
        predictions: The answer's predictions, the bytes of a JSON array.
        error: The problem that was answered, JSON bytes.
        features: What the handler fetched, JSON bytes; without it the line has no such field.
    """
    fetched = "" if features is None else f',"features":{_raw(features)}'
    return (
        f'{{"id":{encode_basestring(id)},"time":{time},"revision":{encode_basestring(revision)},'
        f'"route":{encode_basestring(route)},"unit":{_text(unit)},"experiment":{_text(experiment)},'
        f'"arm":{_text(arm)},"propensity":{"null" if propensity is None else propensity},'
        f'"kind":"{kind}","status":{status},"duration_ms":{duration_ms:.3f},'
        f'"instances":{_raw(instances)},"parameters":{_raw(parameters)},"predictions":{_raw(predictions)},'
        f'"error":{_raw(error)}{fetched}}}\n'
    ).encode(errors="replace")


def outcome_line(
    *,
    service: str,
    metric: str,
    value: float,
    received: int,
    id: str | None = None,  # noqa: A002  # the field's name in the line
    unit: str | None = None,
    prediction_id: str | None = None,
    time: int | None = None,
) -> bytes:
    """Build the line of one business outcome.

    Args:
        service: The service that it is about.
        metric: The business metric's name.
        value: The measurement, a finite number.
        received: When it came in, microseconds since 1970 in UTC.
        id: The client's idempotency key: of several outcomes of a service with the same key the first one counts.
        unit: The unit that it is about, or
        prediction_id: the prediction that it is about.
        time: When it happened, microseconds since 1970 in UTC; None: when it came in.

    Raises:
        CallError: The value is not finite, or neither unit nor prediction is named.
    """
    if not math.isfinite(value):
        raise CallError(f"an outcome's value is a finite number, not {value}")
    if unit is None and prediction_id is None:
        raise CallError("an outcome needs a unit or a prediction_id", hint="name the one that you know")
    return (
        f'{{"id":{_text(id)},"service":{encode_basestring(service)},"metric":{encode_basestring(metric)},'
        f'"value":{float(value)!r},"unit":{_text(unit)},"prediction_id":{_text(prediction_id)},'
        f'"time":{"null" if time is None else time},"received":{received}}}\n'
    ).encode(errors="replace")


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def _raw(json: bytes | None) -> str:
    return "null" if json is None else encode_basestring(json.decode(errors="replace"))
