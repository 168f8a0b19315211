"""The actor of one piece of work: it owns the process on its node, and leaves when that has ended.

Ray makes it on a node that has room, and again on another one when its node is lost. What there is to know after it has
left (the exit code, why it never ran) is its obituary, in the key-value store of the cluster's head.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.compute import local
from rung.compute.protocol import ENDPOINT
from rung.errors import RungError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.compute.ray._visit import Visit

_LOOK_S = 0.1
_GIVE_WAY_S = 1.0
_HANDOVER_S = 4.0  # for another life to give way, and for its guard
_LIFE_S = 600.0  # that whoever asks for the end waits; then it asks again, or is dead itself
_NAMESPACE = b"rung"
_NOTHING = local.Usage(memory_bytes=0, cpu_s=0.0, processes=0)


class Keeper:
    """Runs one command on its node."""

    def __init__(self, name: str, order: Mapping[str, Any]) -> None:
        import ray  # noqa: PLC0415 - only where Ray runs

        self._name = name
        self._node: str = ray.util.get_node_ip_address()
        self._visit = _visit(name, order)
        self._exit_file = _path(order["exit_file"]) if self._visit is None else self._visit.exit_file
        self._process: local.Process | None = None
        self._endpoint: str | None = None
        self._because = ""
        self._returned = ""
        self._stopping = threading.Lock()
        self._is_stopped = False
        self._is_over = False
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        if order["resumes"]:
            self._take_over()
        self._final = obituary(name)  # of an earlier life, that ended elsewhere
        if self._visit is None and self._is_new():
            self._try(lambda: self._begin(order))
        threading.Thread(target=self._stay, daemon=True).start()

    async def look(self) -> dict[str, Any]:
        """Say how the work is, as the fields of `Seen`."""
        if self._visit is not None and self._is_away(self._visit):
            return self._away(self._visit)
        alive = self._process is not None and local.alive(self._process)  # ahead of the exit code, kept before it dies
        if alive and self._kept() is None:
            return self._running()
        return self._ended()

    async def end(self) -> dict[str, Any] | None:
        """Wait for the end and say what it was; None when it has not come for long."""
        self._loop = asyncio.get_running_loop()
        if not self._is_over:
            try:
                await asyncio.wait_for(self._over.wait(), _LIFE_S)
            except TimeoutError:
                return None
        return self._ended()

    async def stop(self, grace_s: float) -> str:
        """End the process and all its descendants; what stands in the way, or nothing."""
        return await asyncio.to_thread(self._stop, grace_s)

    async def usage(self) -> dict[str, Any]:
        """Measure the process, as the fields of `Usage`."""
        return asdict(_NOTHING if self._process is None else await asyncio.to_thread(local.usage, self._process))

    def _take_over(self) -> None:
        """See to it that this work runs once: Ray takes a node that hangs for lost, and what runs there goes on."""
        import ray  # noqa: PLC0415

        life = uuid.uuid4().hex
        _put(_life_of(self._name), life)
        threading.Thread(target=self._give_way, args=(life,), daemon=True).start()
        if ray.get_runtime_context().was_current_actor_reconstructed:
            time.sleep(_HANDOVER_S)

    def _give_way(self, life: str) -> None:
        """Leave when another life of this actor has begun; the guard then ends the process, and keeps no exit code."""
        while True:
            time.sleep(_GIVE_WAY_S)
            with contextlib.suppress(Exception):  # whatever Ray raises while its head is away: nobody is begun then
                if _get(_life_of(self._name)) not in {None, life}:
                    os._exit(1)

    def _is_new(self) -> bool:
        return self._final is None and self._kept() is None

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is why there is no more to come of this work
            told = str(error) if isinstance(error, RungError | OSError) else f"{type(error).__name__}: {error}"
            self._because = f"on {self._node}: {told}"

    def _begin(self, order: Mapping[str, Any]) -> None:
        self._endpoint = _free_endpoint(self._node) if order["listens"] else None
        command = local.Command(
            argv=tuple(part.replace(ENDPOINT, self._endpoint or "") for part in order["argv"]),
            folder=Path(order["folder"]),
            environment={**order["environment"], **_devices(order["gpus"])},
            log=_path(order["log"]),
            exit_file=self._exit_file,
        )
        with self._stopping:
            if not self._is_stopped:
                self._process = local.start(command, record=_guard)

    def _arrive(self, visit: Visit) -> None:
        """Begin on a node that does not see the platform's folder."""
        self._begin(visit.bring())
        visit.follow()

    def _leave(self, visit: Visit) -> None:
        """Give back what the command left, where anything is asked for."""
        self._because = f"on {self._node}: {visit.last_words()}"
        self._returned = visit.give_back()

    def _stay(self) -> None:
        """Wait for the end, then give the node's resources back; whoever asks later reads the obituary."""
        import ray  # noqa: PLC0415

        visit = self._visit if self._final is None else None
        if visit is not None and self._is_new():
            self._try(lambda: self._arrive(visit))
        if self._process is not None:
            while local.alive(self._process):
                time.sleep(_LOOK_S)
            self._end(0.0)  # what it left behind
        if visit is not None and self._kept() is not None:
            self._try(lambda: self._leave(visit))
        if obituary(self._name) is None:
            _put(self._name, json.dumps(self._ended()))
        self._is_over = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        if visit is not None:
            visit.end()
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    def _stop(self, grace_s: float) -> str:
        self._is_stopped = True
        trouble = self._end(grace_s)
        if self._visit is not None and not trouble:
            self._visit.end()  # whoever asked for it ends this actor now
        return trouble

    def _end(self, grace_s: float) -> str:
        with self._stopping:  # this actor stays until all descendants are gone, which only who began to stop them knows
            try:
                if self._process is not None:
                    local.stop(self._process, grace_s)
            except RungError as error:
                return str(error)
        return ""

    def _is_away(self, visit: Visit) -> bool:
        """Tell whether it is still to begin, or to give back what it left: it has not ended before."""
        is_under_way = not self._is_over and self._final is None
        return is_under_way and (self._process is None or visit.gives_back)

    def _away(self, visit: Visit) -> dict[str, Any]:
        if self._process is None:
            return {"state": "starting", "because": f"on {self._node}: {visit.because}", "node": self._node}
        return self._running()

    def _running(self) -> dict[str, Any]:
        is_away = self._visit is not None
        return {"state": "running", "endpoint": self._endpoint, "node": self._node, "is_away": is_away}

    def _ended(self) -> dict[str, Any]:
        if self._final is not None:
            return self._final
        ended = {"state": "ended", "exit_code": self._kept(), "node": self._node, "because": self._because}
        return {**ended, "returned": self._returned}

    def _kept(self) -> int | None:
        return None if self._exit_file is None else local.exit_code(self._exit_file)


def _visit(name: str, order: Mapping[str, Any]) -> Visit | None:
    """Tell whether this node does not see the platform's folder, and is to be brought what it needs."""
    if order.get("parcel") is None or Path(order["folder"]).is_dir():
        return None
    from rung.compute.ray._visit import Visit  # noqa: PLC0415 - its start-up time and its memory: most work does without

    return Visit(name, order, _Notes(name))


class _Notes:
    """What an actor tells its next life, in the key-value store of the head."""

    def __init__(self, name: str) -> None:
        self._key = _notes_of(name)

    def read(self) -> dict[str, list[str]]:
        found = _get(self._key)
        return {} if found is None else dict(json.loads(found))

    def write(self, kept: Mapping[str, list[str]]) -> None:
        _put(self._key, json.dumps(kept))


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def obituary(name: str) -> dict[str, Any] | None:
    """Read what an actor left behind, as the fields of `Seen`; None when it has not, or its head has forgotten it."""
    found = _get(name)
    return None if found is None else dict(json.loads(found))


def forget(name: str) -> None:
    """Remove what an actor left behind."""
    from ray.experimental import internal_kv  # noqa: PLC0415

    for key in (name, _life_of(name), _notes_of(name)):
        internal_kv._internal_kv_del(key.encode(), namespace=_NAMESPACE)  # noqa: SLF001 - Ray's name for public


def _life_of(name: str) -> str:
    return f"{name}.life"


def _notes_of(name: str) -> str:
    return f"{name}.notes"


def _get(key: str) -> str | None:
    from ray.experimental import internal_kv  # noqa: PLC0415

    found = internal_kv._internal_kv_get(key.encode(), namespace=_NAMESPACE)  # noqa: SLF001 - as above
    return None if found is None else str(found, "utf-8")


def _put(key: str, text: str) -> None:
    from ray.experimental import internal_kv  # noqa: PLC0415

    internal_kv._internal_kv_put(key.encode(), text.encode(), overwrite=True, namespace=_NAMESPACE)  # noqa: SLF001 - as above


def _guard(process: local.Process) -> None:
    """Begin what ends the process when this actor dies; without it the process does not begin."""
    owner = local.find(os.getpid())
    processes = {"owner": owner and owner.to_json(), "guarded": process.to_json()}
    paths = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    argv = (sys.executable, "-P", "-m", "rung.compute.ray._guard", json.dumps(processes))
    local.start(local.Command(argv=argv, folder=Path("/"), environment=paths))


def _free_endpoint(address: str) -> str:
    with socket.create_server((address, 0)) as free:
        return f"{address}:{free.getsockname()[1]}"


def _devices(gpus: int) -> dict[str, str]:
    """Give the command the GPUs that Ray gave this actor."""
    name = "CUDA_VISIBLE_DEVICES"
    return {name: os.environ[name]} if gpus and name in os.environ else {}
