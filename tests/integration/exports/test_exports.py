"""A revision of a real platform, taken elsewhere.

A build context is executed step by step without an engine: its lock, its variables, its very command.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from rung.compute import _uv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform

REVISION = "tiny.v1.m1"
BODY = {"instances": [{"x": 7}, {"x": 1000}], "parameters": {"offset": 0.5}}


@pytest.fixture(scope="module")
def context(platform: LivePlatform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context of the incumbent."""
    folder = tmp_path_factory.mktemp("exports") / "image"
    told = platform.ask("export", REVISION, "--to", "container", "--output", str(folder))
    assert list(told["artifacts"]) == ["build_model"]
    assert told["signed_by"]
    return folder


def steps(context: Path) -> dict[str, str]:
    """The last step of each kind."""
    lines = (context / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return {word: rest for word, _, rest in (line.partition(" ") for line in lines)}


def install(context: Path) -> Path:
    """Install as the image does, with uv, which has the packages."""
    environment = context.parent / "venv"
    _uv.run("venv", environment, "--python", sys.executable, "--no-project", online=False)
    assert (
        "-m pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt"
        in steps(context)["RUN"]
    )
    with contextlib.chdir(context):
        required = ("--no-deps", "--require-hashes", "--requirement", "requirements.txt")
        _uv.run("pip", "install", "--python", environment, *required, online=False)
    return environment


@contextlib.contextmanager
def running(context: Path, environment: Path) -> Iterator[tuple[str, list[str]]]:
    """Start the image's own command; give its address, and the command that looks whether it is healthy."""
    port = free_port()

    def moved(text: str) -> str:
        text = text.replace("/opt/rung/", f"{environment}/").replace("/srv/rung", str(context))
        text = text.replace("/tmp/rung-metrics", str(context.parent / "metrics"))  # noqa: S108  as the image has it
        return text.replace("0.0.0.0", "127.0.0.1").replace("8080", str(port))  # noqa: S104  to be replaced

    told = steps(context)
    variables = dict(word.split("=", 1) for word in shlex.split(moved(told["ENV"])))
    folder = moved(told["WORKDIR"])
    healthy = json.loads(moved(told["HEALTHCHECK"]).partition(" CMD ")[2])
    with (context.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            json.loads(moved(told["CMD"])),
            cwd=folder,
            env={"PATH": os.environ["PATH"], **variables},
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{port}", healthy
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until_healthy(command: list[str], log: Path) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run(command, capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


def test_image_predicts_as_the_revision(platform: LivePlatform, context: Path):
    def predictions(url: str) -> Any:
        return httpx2.post(url, json=BODY, timeout=20).json()["predictions"]

    environment = install(context)
    with running(context, environment) as (url, healthy):
        wait_until_healthy(healthy, context.parent / "server.log")
        answered = predictions(f"{url}/predict")
        assert answered == predictions(f"{platform.gateway}/tiny/v1/m1/predict")
    assert answered == [{"y": 7.5}, {"y": 1000.5}]


_LOADED = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
given = json.load(sys.stdin)
frame = pandas.DataFrame(given["instances"])
answered = model.predict(frame, params=given["parameters"]).to_dict(orient="records")
try:
    model.predict(frame.assign(x=666))
except ValueError as error:
    refused = str(error)
example = model.predict(model.input_example).shape[0]
print(json.dumps({"predictions": answered, "refused": refused, "example": example}), file=sys.stderr)
"""
"""Also prints on stderr alone: what MLflow and the service print is theirs."""


def test_mlflow_model_predicts_as_the_revision_in_a_clean_environment(platform: LivePlatform, tmp_path: Path):
    model, environment = tmp_path / "model", tmp_path / "venv"
    platform.rung("export", REVISION, "--to", "mlflow", "--output", str(model))
    _uv.run("venv", environment, "--python", sys.executable, "--no-project", online=False)
    _uv.run("pip", "install", "--python", environment, "--requirement", model / "requirements.txt", online=True)
    body = {"instances": [{"x": x} for x in range(1, 601, 23)], "parameters": {"offset": 0.5}}
    ended = subprocess.run(
        [environment / "bin" / "python", "-c", _LOADED, str(model)],
        input=json.dumps(body),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stderr.splitlines()[-1])
    served: list[Any] = []
    for start in range(0, len(body["instances"]), 8):
        part = {**body, "instances": body["instances"][start : start + 8]}
        served += httpx2.post(f"{platform.gateway}/tiny/v1/m1/predict", json=part, timeout=20).json()["predictions"]
    assert told["predictions"] == served
    assert told["example"] == 1
    assert told["refused"].startswith("tiny.v1.m1 refused 27 rows: row 0: y: is not finite")


def test_labels_name_what_was_signed(platform: LivePlatform, context: Path):
    labels = dict(word.split("=", 1) for word in shlex.split(steps(context)["LABEL"]))
    verified = platform.ask("verify", REVISION)
    assert labels["rung.bundle"] == verified["bundle"]
    assert labels["rung.signed-by"] == verified["key"]
    assert labels["org.opencontainers.image.revision"] == platform.revision(REVISION)["commit"]


def test_context_holds_no_training_data(context: Path):
    kept = [path for path in (context / "state" / "artifacts").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert all(re.search(r"--hash=sha256:", entry) for entry in requirements(context))
    assert all(path.stat().st_mode & 0o004 for path in context.rglob("*") if path.is_file())


def requirements(context: Path) -> list[str]:
    text = (context / "requirements.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line.strip() and line[0] != "#"]


def test_folder_that_is_not_empty_stays_as_it_is(platform: LivePlatform, context: Path):
    before = sorted(context.iterdir())
    refused = platform.ask("export", REVISION, "--to", "container", "--output", str(context), expect=2)
    assert refused["error"]["code"] == "conflict"
    assert sorted(context.iterdir()) == before
    assert [path.name for path in context.parent.iterdir() if path.name.startswith(".")] == []


def test_openapi_is_that_of_the_server(platform: LivePlatform):
    platform.rung("export", REVISION, "--to", "openapi", "--output", "tiny.json")
    exported = json.loads((platform.root / "tiny.json").read_text())
    assert exported == httpx2.get(f"{platform.gateway}/tiny/v1/m1/openapi.json").json()
    assert platform.ask("export", REVISION, "--to", "openapi")["openapi"] == exported


def test_what_was_changed_is_not_exported(platform: LivePlatform):
    bundle = platform.place.workspace.state / "revisions" / "tiny.v1.m0" / "bundle.json"
    signed = bundle.read_bytes()
    bundle.write_bytes(signed + b"\n")
    try:
        refused = platform.ask("export", "tiny.v1.m0", "--to", "openapi", expect=4)
    finally:
        bundle.write_bytes(signed)
    assert refused["error"]["code"] == "integrity"
    assert "bundle.json of tiny.v1.m0 is sha256:" in refused["error"]["message"]
