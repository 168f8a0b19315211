"""The process that speaks with Ray, for one `Bridge`: a line of JSON for each question, one for each answer.

It ends with whoever asks. Ray ends it, too, when the cluster has been away for a minute.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

from rung.compute.ray import _keeper, _room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_THREADS = 64  # questions at once: most of them look, some wait for work that is being stopped
_ANSWER_S = 2.0  # for an actor that Ray says lives
_LATE_S = 0.2  # for one that has not answered before
_PLACED_S = 0.15  # until Ray has said whether an actor has a machine, the first time
_KNOWN_S = 3.0  # until the head knows of an actor: a millisecond or two
_POLL_S = 0.01
_GONE_S = 5.0
_ALIVE, _RESTARTING = 2, 3  # ActorTableData.ActorState of Ray's gcs.proto
_LOST = "its machine was lost"
_NOTHING = {"memory_bytes": 0, "cpu_s": 0.0, "processes": 0}


@dataclass(slots=True)
class _Actor:
    """A piece of work that has not ended, as far as is known."""

    handle: Any
    asked: Any = None
    """A look that was asked for and not answered yet."""
    is_late: bool = False
    """It was not answered when it was looked at before."""
    seen: dict[str, Any] = field(default_factory=dict)
    """What was answered: where it runs. It holds until the end of that life."""
    end: Any = None
    """Comes with the end of the work, or fails with the end of the actor."""

    @property
    def state(self) -> int:
        return int(self.handle._get_local_state() or 0)  # noqa: SLF001 - public only through a dashboard

    def ask(self) -> None:
        """Ask for what is not known and was not asked for."""
        if not self.seen and self.asked is None:
            self.asked, self.is_late = self.handle.look.remote(), False
        if self.end is None:
            self.end = self.handle.end.remote()

    def forget(self) -> None:
        """Know nothing any more: it is begun again, elsewhere perhaps."""
        self.asked, self.is_late, self.seen, self.end = None, False, {}, None


class Driver:
    """Answers the questions of `RayCompute`."""

    def __init__(self) -> None:
        self._actors: dict[str, _Actor] = {}
        self._looking = threading.Lock()

    def start(self, name: str, machine: Mapping[str, Any], order: Mapping[str, Any]) -> None:
        """Have Ray make the actor, now or when a node has room; the head knows of it then, and this process may die."""
        order, needs = {**order, "gpus": machine["gpus"]}, self._needs(machine)
        options = {
            "name": name,
            "lifetime": "detached",
            "max_restarts": -1 if order["listens"] or order["resumes"] else 0,
            "num_cpus": needs.pop("CPU"),
            "memory": needs.pop("memory"),
            "num_gpus": needs.pop("GPU"),
            "resources": needs,
            "scheduling_strategy": "SPREAD" if order["listens"] else "DEFAULT",
        }
        handle = ray.remote(_keeper.Keeper).options(**options).remote(name, order)
        self._actors[name] = _Actor(handle)
        deadline = time.monotonic() + _KNOWN_S
        while name not in ray.util.list_named_actors() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def observe(self, actors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Look at actors, all at once."""
        with self._looking:
            known = {one["name"]: self._find(one["name"]) for one in actors}
            alive = {name: actor for name, actor in known.items() if actor is not None}
            for actor in alive.values():
                actor.ask()
            _await([actor for actor in alive.values() if actor.asked is not None])
            ended = set(_done([actor.end for actor in alive.values()]))
            found = {name: self._answer(name, actor, actor.end in ended) for name, actor in alive.items()}
        seen = [found.get(one["name"]) or _ended(one["name"]) for one in actors]
        self._explain(actors, seen)
        return seen

    def stop(self, name: str, grace_s: float) -> None:
        """End the work, then its actor."""
        actor = self._find(name)
        if actor is not None:
            self._end(name, actor, grace_s)
        _keeper.forget(name)

    def _end(self, name: str, actor: _Actor, grace_s: float) -> None:
        asked = actor.handle.stop.remote(grace_s)
        trouble = self._stopped(actor, asked, time.monotonic() + grace_s + _GONE_S * 2)
        if trouble:
            raise RuntimeError(trouble)
        ray.kill(actor.handle, no_restart=True)
        deadline = time.monotonic() + _GONE_S
        while self._is_there(name) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._actors.pop(name, None)

    def usage(self, name: str) -> dict[str, Any]:
        """Measure the work."""
        actor = self._find(name)
        if actor is None:
            return _NOTHING
        asked = actor.handle.usage.remote()
        if not self._wait(actor, asked, time.monotonic() + _ANSWER_S):
            if actor.state == _ALIVE:
                raise RuntimeError(f"{name} does not answer")
            return _NOTHING
        try:
            return dict(ray.get(asked))
        except RayActorError:
            return _NOTHING

    def _find(self, name: str) -> _Actor | None:
        if name not in self._actors:
            try:
                self._actors[name] = _Actor(ray.get_actor(name))
            except ValueError:
                return None
        return self._actors[name]

    def _is_there(self, name: str) -> bool:
        try:
            ray.get_actor(name)
        except ValueError:
            return False
        return True

    def _answer(self, name: str, actor: _Actor, has_ended: bool) -> dict[str, Any] | None:  # noqa: FBT001
        """Give what an actor has answered, or what Ray knows of it; None when it has ended."""
        try:
            if actor.asked is not None and _done([actor.asked]):
                actor.seen, actor.asked = dict(ray.get(actor.asked)), None
            if has_ended:
                end, actor.end = ray.get(actor.end), None
                actor.seen = end or actor.seen
        except ActorUnavailableError:
            actor.forget()
            return {"state": "starting", "because": _LOST}
        except RayActorError as error:
            self._actors.pop(name, None)
            return _keeper.obituary(name) or {"state": "ended", "because": _last_line(error)}
        if actor.seen and actor.state != _RESTARTING:
            seen = actor.seen
            if seen["state"] == "starting":  # it is being brought what it needs: asked again at the next look
                actor.seen = {}
            return seen
        actor.is_late = True
        return {"state": "starting", "because": _LOST if actor.state == _RESTARTING else ""}

    def _explain(self, actors: Sequence[Mapping[str, Any]], found: Sequence[dict[str, Any]]) -> None:
        """Add to what waits what it waits for."""
        pairs = zip(actors, found, strict=True)
        waiting = [(actor, one) for actor, one in pairs if one["state"] == "starting" and not one["because"]]
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]] if waiting else []
        for actor, one in waiting:
            one["because"] = _room.why_it_waits(self._needs(actor["machine"]), machines)

    def _needs(self, machine: Mapping[str, Any]) -> dict[str, float]:
        """Give what is asked of Ray: disk, too, where nodes say how much they have."""
        return _room.wanted(machine, with_disk=_room.DISK in ray.cluster_resources())

    def _stopped(self, actor: _Actor, asked: Any, deadline: float) -> str:
        if not self._wait(actor, asked, deadline):
            return ""  # it has no machine, or that does not answer
        try:
            return str(ray.get(asked))
        except RayActorError:
            return ""

    def _wait(self, actor: _Actor, asked: Any, deadline: float) -> bool:
        """Wait for an answer of an actor that has a machine."""
        begun = time.monotonic()
        while time.monotonic() < deadline:
            done, _ = ray.wait([asked], timeout=_PLACED_S)
            if done:
                return True
            if actor.state != _ALIVE and time.monotonic() - begun > _PLACED_S:
                return False
        return False


def _await(actors: Sequence[_Actor]) -> None:
    """Wait for answers: briefly for what waits for a machine, as far as is known, longer for what has one."""
    _wait_for([one for one in actors if one.state != _ALIVE and not one.is_late], _PLACED_S)
    alive = [one for one in actors if one.state == _ALIVE]
    _wait_for([one for one in alive if not one.is_late], _ANSWER_S)
    _wait_for([one for one in alive if one.is_late], _LATE_S)


def _done(asked: Sequence[Any]) -> list[Any]:
    return list(ray.wait(list(asked), num_returns=len(asked), timeout=0)[0]) if asked else []


def _wait_for(actors: Sequence[_Actor], limit_s: float) -> None:
    if actors:
        ray.wait([one.asked for one in actors], num_returns=len(actors), timeout=limit_s)


def _ended(name: str) -> dict[str, Any]:
    return _keeper.obituary(name) or {"state": "ended"}


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "")


def _serve(answers: Any) -> None:
    driver, lock = Driver(), threading.Lock()

    def answer(number: int, question: str, arguments: Mapping[str, Any]) -> None:
        ask: Callable[..., Any] = getattr(driver, question)
        try:
            said: dict[str, Any] = {"value": ask(**arguments)}
        except (RayError, RuntimeError, ValueError, OSError) as error:
            said = {"error": _last_line(error)}
        with lock:
            print(json.dumps({"number": number, **said}), file=answers, flush=True)

    pool = ThreadPoolExecutor(_THREADS)  # not waited for: nobody hears what it still answers
    for line in sys.stdin:
        pool.submit(answer, **json.loads(line))


def main(address: str, namespace: str) -> None:
    """Connect to the cluster, then answer until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that Ray prints comes between the answers
    try:
        ray.init(address, namespace=namespace, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # noqa: BLE001 - whatever Ray raises, it is told
        print(json.dumps({"lost": _last_line(error)}), file=answers, flush=True)
        os._exit(1)
    _serve(answers)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
