"""A revision of a real platform, taken elsewhere.

A build context is executed step by step without an engine: its lock, its variables, its very command.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml
from dockerfile_steps import build, lint

from rung.compute import _uv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockerfile_steps import Built
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


@pytest.fixture(scope="module")
def image(context: Path) -> Built:
    """That context, built without an engine."""
    return build(context, context.parent / "root")


@contextlib.contextmanager
def running(image: Built) -> Iterator[tuple[str, list[str]]]:
    """Start the image's own command; give its address, and the command that looks whether it is healthy."""
    port = str(free_port())

    def own(words: list[str]) -> list[str]:
        return [word.replace("0.0.0.0", "127.0.0.1").replace(str(image.port), port) for word in words]  # noqa: S104

    with (image.root / "server.log").open("wb") as log:
        process = subprocess.Popen(
            own(image.command),
            cwd=image.folder,
            env={"PATH": os.environ["PATH"], **image.variables},
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{port}", own(image.healthy)
        finally:
            process.terminate()
            process.wait(60)


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


def test_image_predicts_as_the_revision(platform: LivePlatform, image: Built):
    def predictions(url: str) -> Any:
        return httpx2.post(url, json=BODY, timeout=20).json()["predictions"]

    with running(image) as (url, healthy):
        wait_until_healthy(healthy, image.root / "server.log")
        answered = predictions(f"{url}/predict")
        assert answered == predictions(f"{platform.gateway}/tiny/v1/m1/predict")
    assert answered == [{"y": 7.5}, {"y": 1000.5}]


def test_nothing_of_an_image_is_found_by_a_linter(context: Path, image: Built):
    assert lint(context / "Dockerfile") == []
    assert image.user == "10001:10001"
    assert image.done[-1] == "CMD"


def test_platform_goes_to_kubernetes(platform: LivePlatform, tmp_path: Path):
    told = platform.ask("export", "kubernetes", "--output", str(tmp_path / "manifests"), "--namespace", "shop")
    folder = tmp_path / "manifests"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    found = [one for name in listed for one in yaml.safe_load_all((folder / name).read_text())]
    assert [f"{one['kind']} {one['metadata']['name']}" for one in found] == told["objects"]
    assert {one["metadata"].get("namespace", "shop") for one in found} == {"shop"}
    (ray,) = [one for one in found if one["kind"] == "RayCluster"]
    assert [(one["groupName"], one["minReplicas"]) for one in ray["spec"]["workerGroupSpecs"]] == [
        ("serving", 2),  # m0 and m1, one machine each
        ("training", 0),
    ]
    assert told["missing"][0] == '[listen] control is loopback: set control = "0.0.0.0"'
    assert lint(folder / "image" / "Dockerfile") == []


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


def test_labels_name_what_was_signed(platform: LivePlatform, image: Built):
    verified = platform.ask("verify", REVISION)
    assert image.labels["rung.bundle"] == verified["bundle"]
    assert image.labels["rung.signed-by"] == verified["key"]
    assert image.labels["org.opencontainers.image.revision"] == platform.revision(REVISION)["commit"]


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
