"""A real server: gunicorn on a unix socket, with a bundle and artifacts that a real training made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sockets import listens
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

FILES = {
    "schema/request.py": """
        from pydantic import BaseModel, Field
        from rung.schema import max_instances

        @max_instances(8)
        class Instance(BaseModel):
            x: float = Field(ge=0)

        class Parameters(BaseModel):
            seconds: float = 0.0
        """,
    "schema/response.py": """
        from pydantic import BaseModel

        class Prediction(BaseModel):
            y: float
            worker: int
        """,
    "schema/service.py": """
        from enum import StrEnum
        from rung.schema import ABTest

        major = 1
        ab_test = ABTest()

        class Route(StrEnum):
            PREDICT = "predict"
        """,
    "serve/app.py": """
        import os
        import time
        import uuid
        from pathlib import Path
        from fastapi import Depends
        from rung.schema import Request
        from rung.serving import Artifact, create_serving_app
        from experiments.line.schema.request import Instance, Parameters
        from experiments.line.schema.response import Prediction

        def predict(request: Request[Instance, Parameters], slope=Depends(Artifact("fit"))) -> list[Prediction]:
            if request.parameters.seconds:
                Path(f"begun.{uuid.uuid4()}").touch()
                time.sleep(request.parameters.seconds)
            return [Prediction(y=slope * instance.x, worker=os.getpid()) for instance in request.instances]

        app = create_serving_app(predict=predict)
        """,
    "tests/data.py": """
        from rung.testing import goal

        @goal.minimize
        def error(client, X_test, y_test) -> float:
            return max(abs(p.y - y) for p, y in zip(client.predict(X_test), y_test, strict=True))
        """,
    "tests/regression.py": """
        def test_larger_is_larger(client) -> bool:
            small, large = client.predict([{"x": 1}, {"x": 2}])
            return small.y < large.y
        """,
    "infrastructure/hardware.py": """
        from rung.infrastructure import Infrastructure

        infrastructure = Infrastructure()
        """,
    "train/main.py": """
        from rung.training import Experiment, TestResults, evaluate_models
        from experiments.line.schema.request import Instance

        def fit() -> float:
            return 3.0

        def evaluate(fit: float) -> TestResults:
            return evaluate_models(X_test=[Instance(x=number) for number in range(20)], y_test=[3.0] * 20)

        experiment = Experiment(fit, evaluate)
        """,
}


def lay_line(place: Place) -> None:
    """Write the service `line`: it multiplies by a number that its training found."""
    for name, text in FILES.items():
        place.write(f"experiments/line/{name}", text)
        place.write(f"experiments/line/{Path(name).parent}/__init__.py", "")
    place.write("experiments/line/__init__.py", "")


@pytest.fixture
def line(place: Place) -> Place:
    """The service `line`, deployed: trained as `line.v1.m1`, its bundle written."""
    lay_line(place)
    ended = place.python(
        "-m", "rung.training.deployed", "--service", "line", environment={"RUNG_REVISION": "line.v1.m1"}
    )
    assert ended.returncode == 0, ended.stderr
    return place


@dataclass(slots=True, kw_only=True)
class Server:
    """A server while it runs."""

    process: subprocess.Popen[bytes]
    socket: Path
    log: Path
    output: Path

    def client(self) -> httpx2.Client:
        transport = httpx2.HTTPTransport(uds=str(self.socket), verify=False)
        return httpx2.Client(transport=transport, base_url="http://server", timeout=20)

    def predict(self, x: float = 1.0, **parameters: Any) -> httpx2.Response:
        with self.client() as client:
            return client.post("/predict", json={"instances": [{"x": x}], "parameters": parameters})

    def get(self, path: str) -> httpx2.Response:
        with self.client() as client:
            return client.get(path)

    def worker(self) -> int:
        found: int = self.predict().json()["predictions"][0]["worker"]
        return found

    def every_worker(self, count: int) -> Counter[int]:
        """Ask until so many workers have answered; give how often each did. One may begin later than the others."""
        answered: Counter[int] = Counter()

        def all_did() -> bool:
            answered[self.worker()] += 1
            return len(answered) == count

        until(all_did, every_s=0)
        return answered

    def wait_until_it_answers(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not listens(self.socket):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)
        assert self.get("/livez").status_code == 200


@contextmanager
def serving(place: Place, *, workers: int = 1, revision: str = "line.v1.m1") -> Iterator[Server]:
    """Serve `line` for the length of the block."""
    with TemporaryDirectory(prefix="rung") as folder:  # a socket's path is at most 107 bytes long
        server_socket = Path(folder) / "s"
        output = place.root / "server.log"
        log = place.root / "log"
        command = [
            *(sys.executable, "-m", "rung.serving.server", "--application", "experiments.line.serve.app:app"),
            *("--bind", f"unix:{server_socket}", "--workers", str(workers), "--grace", "10"),
        ]
        environment = {
            **os.environ,
            "RUNG_STATE": str(place.root / ".rung"),
            "RUNG_REVISION": revision,
            "RUNG_LOG": str(log),
            "PROMETHEUS_MULTIPROC_DIR": str(Path(folder) / "metrics"),
        }
        with (
            output.open("wb") as file,
            subprocess.Popen(
                command, cwd=place.root, env=environment, stdout=file, stderr=subprocess.STDOUT
            ) as process,
        ):
            server = Server(process=process, socket=server_socket, log=log, output=output)
            try:
                server.wait_until_it_answers()
                yield server
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=60)
                finally:
                    process.kill()
