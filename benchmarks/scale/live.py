"""What do consumers see when load grows by a step, and when a machine is lost?

    python benchmarks/scale/live.py

Called by `run.py`. A whole platform, on this machine and on a Ray cluster of three nodes here: consumers ask through
the gateway, one request after the other, without retries. Seven times as many come, and the servers follow; then the
node of one of two servers is killed, and, apart, frozen with all that runs on it.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
import tiny_service
from live_platform import LivePlatform, live_platform
from ray_cluster import ray_cluster

from rung.compute.ray import RayCompute
from rung.gateway import Gateway
from rung.lake import Lake
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ray_cluster import RayCluster

NODES = ("127.0.0.3", "127.0.0.4")
NAME = "tiny.v1.m0"
TAKES_S = 0.05  # a prediction
CROWD, PER_S = 60, 40  # consumers when a node is lost, and their requests per second
ALONE, MANY, MOST = 2, 14, 4  # consumers before the step and behind it, and the servers that they come to
STEP_S, OUT_S, BACK_S = 10.0, 2.0, 15.0
ANSWERING_S = 20.0  # that consumers ask on when a node is lost
PATIENCE_S = 40.0


@dataclass(slots=True, kw_only=True)
class Consumers:
    """Threads that ask without end, and what became of it."""

    url: str
    answered: list[tuple[float, float, str]] = field(default_factory=list)
    """When asked (monotonic), seconds, and the prediction's id; each was acknowledged with a 200."""
    failed: list[tuple[float, float, str]] = field(default_factory=list)
    """When asked, seconds, and why."""
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self, count: int, *, pause_s: float = 0.0) -> Iterator[None]:
        """Ask from so many threads while the block lasts, each so long after its last answer."""
        self._end.clear()
        threads = [threading.Thread(target=self._ask, args=(pause_s,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _ask(self, pause_s: float) -> None:
        with httpx2.Client(timeout=PATIENCE_S) as client:
            while not self._end.wait(pause_s):
                begun = time.monotonic()
                try:
                    answer = client.post(self.url, json={"instances": [{"x": 3}]})
                except httpx2.HTTPError as error:
                    self.failed.append((begun, time.monotonic() - begun, repr(error)))
                    continue
                took = time.monotonic() - begun
                if answer.is_success:
                    self.answered.append((begun, took, answer.headers["x-request-id"]))
                else:
                    self.failed.append((begun, took, f"{answer.status_code}: {answer.text[:200]}"))


def measure() -> dict[str, Any]:
    """Measure all of it, on a cluster of its own."""
    with ray_cluster(cpus=0) as cluster:
        for node in NODES:
            cluster.add(node, cpus=8)
        return {
            "step": {"local": _step(), "ray": _step("--compute", "ray", "--address", cluster.address)},
            "loss": {how: _loss(cluster, how) for how in ("killed", "frozen")},
        }


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the goals."""
    return [
        *(_step_goal(where, step) for where, step in found["step"].items()),
        *(goal for how, loss in found["loss"].items() for goal in _loss_goals(how, loss)),
    ]


def _step_goal(where: str, step: dict[str, Any]) -> dict[str, Any]:
    return {
        "goal": f"{MANY // ALONE} times as many consumers come: from 1 to {MOST} servers ({where})",
        "measured": f"{step['four_s']:.1f} s, {step['failed']} failed",
        "bar": f"<= {STEP_S:g} s, 0",
        "ok": step["four_s"] <= STEP_S and not step["failed"],
        "beside": f"{step['answered']:,} answered",
    }


def _loss_goals(how: str, loss: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "goal": f"the node of one of two servers is {how}: the last request that suffers was sent after",
            "measured": f"{loss['out_s']:.1f} s",
            "bar": f"<= {OUT_S:g} s",
            "ok": loss["out_s"] <= OUT_S,
            "beside": f"{loss['failed']} of {loss['sent']:,} requests failed, {loss['held']} took over a second",
        },
        {
            "goal": f"the node of one of two servers is {how}: it answers elsewhere after",
            "measured": f"{loss['back_s']:.1f} s",
            "bar": f"<= {BACK_S:g} s",
            "ok": loss["back_s"] <= BACK_S,
        },
        {
            "goal": f"the node of one of two servers is {how}: acknowledged predictions that are not in the log",
            "measured": loss["lost"],
            "bar": "0",
            "ok": loss["lost"] == 0,
        },
    ]


def _step(*compute: str) -> dict[str, Any]:
    with _platform(f"minimum=1, maximum={MOST}, target_concurrency=3, scale_down_after_s=600", *compute) as platform:
        consumers = _consumers(platform)
        with consumers.asking(ALONE):
            time.sleep(5)
        with consumers.asking(MANY):
            begun = time.monotonic()
            four_s = _wait(lambda: _answering(platform) == MOST) - begun
            time.sleep(3)
        return {"four_s": four_s, "answered": len(consumers.answered), "failed": len(consumers.failed)}


def _loss(cluster: RayCluster, how: str) -> dict[str, Any]:
    scaling = "minimum=2, maximum=2, target_concurrency=8"
    with (
        _platform(scaling, "--compute", "ray", "--address", cluster.address) as platform,
        closing(RayCompute(cluster.address, "rung")) as ray,
    ):
        _wait(lambda: _answering(platform) == len(NODES))
        consumers, lost = _consumers(platform), _nodes(platform, ray)[0]
        with consumers.asking(CROWD, pause_s=CROWD / PER_S):  # so many that those who wait are not all there are
            time.sleep(3)
            begun = time.monotonic()
            (cluster.kill if how == "killed" else cluster.freeze)(lost)
            back_s = _wait(lambda: _is_elsewhere(platform, ray, lost)) - begun
            time.sleep(max(0.0, ANSWERING_S - back_s))
        found = _counted(platform, consumers, begun)
        if how == "frozen":
            cluster.kill(lost)
        cluster.add(lost, cpus=8)
    return {"back_s": back_s, **found}


def _is_elsewhere(platform: LivePlatform, ray: RayCompute, lost: str) -> bool:
    return lost not in _nodes(platform, ray) and _answering(platform) == len(NODES)


def _counted(platform: LivePlatform, consumers: Consumers, begun: float) -> dict[str, Any]:
    late = [one for one in consumers.answered if one[1] > 1]
    hit = [asked - begun for asked, _, _ in (*consumers.failed, *late) if asked > begun]
    lake = Lake(platform.place.lake, logs=platform.place.predictions)
    lake.ship()
    logged = set(lake.predictions().filter(status=200).select("id").collect()["id"].to_list())
    return {
        "sent": len(consumers.answered) + len(consumers.failed),
        "failed": len(consumers.failed),
        "reasons": sorted({why for _, _, why in consumers.failed}),
        "held": len(late),
        "out_s": max(hit, default=0.0),
        "lost": sum(identity not in logged for _, _, identity in consumers.answered),
    }


@contextmanager
def _platform(scaling: str, *compute: str) -> Iterator[LivePlatform]:
    """Run a platform whose tiny service takes its time and is scaled so."""
    with live_platform() as platform:
        tiny_service.write(platform.root)
        settings = platform.root / "rung.toml"
        settings.write_text(settings.read_text() + "local_vcpus = 8\n")
        slow = "    offset = request.parameters.offset\n"
        tiny_service.change(platform.root, slow, f"    time.sleep({TAKES_S})\n{slow}", file="serve/app.py")
        tiny_service.change(platform.root, "import math\n", "import math\nimport time\n", file="serve/app.py")
        for before, after in (
            ("minimum=1, maximum=1, target_concurrency=8", scaling),
            ("gunicorn_workers=2", "gunicorn_workers=1"),
            ("        batching=Batching(max_instances=8),\n", ""),
        ):
            tiny_service.change(platform.root, before, after, file="infrastructure/hardware.py")
        platform.rung("up", "--detach", *compute)
        platform.deploy("tiny")
        yield platform


def _consumers(platform: LivePlatform) -> Consumers:
    return Consumers(url=f"{platform.gateway}/tiny/v1/m0/predict")


def _answering(platform: LivePlatform) -> int:
    """Count the servers that the gateway holds for healthy."""
    folder = platform.sockets / platform.place.sockets.name / platform.place.gateway.name
    return len(Gateway(folder=folder, port=1).healthy(NAME))


def _nodes(platform: LivePlatform, ray: RayCompute) -> list[str]:
    """Give the node of each server."""
    with open_registry(platform.place.workspace.state) as registry:
        handles = [handle for handle in registry.processes().values() if "actor" in handle]
    return [seen.node for seen in ray.observe(handles)]


def _wait(is_so: Callable[[], bool], limit_s: float = 120.0) -> float:
    """Wait until something is so, and give the moment (monotonic)."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
    return time.monotonic()


def main() -> int:
    """Measure, and say which goals are reached."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found = measure()
    reached = goals(found)
    print(json.dumps([found, reached], indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
