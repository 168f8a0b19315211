"""The Open Inference Protocol beside the typed routes: in process, and asked by public clients through a gateway."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.testclient import TestClient
from waiting import until

from rung.compute.environments import Environments, Lock
from rung.gateway import Backend, Gateway, Production, Routing
from rung.schema import Request, max_instances
from rung.serving import Artifact, bind_artifacts, create_serving_app
from rung.serving._endpoint import MAX_BODY_BYTES

from .conftest import lay_line, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx2 import Response

    from conftest import Place

HERE = Path(__file__).parent


@max_instances(3)
class Instance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    area: Annotated[float, Field(gt=0)]
    rooms: int | None = None
    sizes: list[float] = []
    sold_on: date | None = None
    wall: str = "brick"


class Parameters(BaseModel):
    factor: float = 1.0


class Range(BaseModel):
    low: float
    high: float


class Prediction(BaseModel):
    price: float = Field(serialization_alias="dollars")
    range: Range
    wall: str
    rooms: int | None
    ends: tuple[int, int]
    is_large: bool


Body = Request[Instance, Parameters]


def predict(request: Body, model=Depends(Artifact("model"))) -> list[Prediction]:  # noqa: ANN001, B008
    return [answered(instance, model(instance.area) * request.parameters.factor) for instance in request.instances]


def answered(instance: Instance, price: float) -> Prediction:
    return Prediction(
        price=price,
        range=Range(low=price - 1, high=price + 1),
        wall=f"{instance.wall} {instance.sold_on} {instance.sizes}",
        rooms=instance.rooms,
        ends=(int(price), int(price) + 1),
        is_large=instance.area > 1,
    )


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = create_serving_app(predict=predict)
    with (
        bind_artifacts(app, {"model": lambda area: 10 * area}),
        TestClient(app, raise_server_exceptions=False) as found,
    ):
        yield found


INFER = "/v2/models/predict/infer"
AREA = {"name": "area", "datatype": "FP64", "shape": [2], "data": [1, 2]}


def ask(client: TestClient, *inputs: dict[str, Any], **more: Any) -> Response:
    return client.post(INFER, json={"inputs": list(inputs) or [AREA], **more})


def outputs(answer: Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def refused(answer: Response, status: int) -> str:
    """Check that an answer is an error as the protocol has it, and give its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-revision"] == "undeployed"
    error: str = answer.json()["error"]
    return error


def test_server_and_model_are_described(client: TestClient):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.get("/v2/models/predict/ready").json() == {"name": "predict", "ready": True}
    found = client.get("/v2/models/predict").json()
    assert (found["name"], found["versions"], found["platform"]) == ("predict", ["undeployed"], "rung")
    assert found["inputs"][:3] == [
        {"name": "area", "datatype": "FP64", "shape": [-1]},
        {"name": "rooms", "datatype": "INT64", "shape": [-1]},
        {"name": "sizes", "datatype": "FP64", "shape": [-1, -1]},
    ]
    assert [tensor["name"] for tensor in found["outputs"]] == [
        *("dollars", "range.low", "range.high", "wall", "rooms", "ends", "is_large")
    ]


def test_server_without_artifacts_is_not_ready():
    with TestClient(create_serving_app(predict=predict), raise_server_exceptions=False) as client:
        assert client.get("/v2/health/live").status_code == 200
        for path in ("/v2/health/ready", "/v2/models/predict/ready"):
            assert refused(client.get(path), 503) == "not ready: the artifacts model are not there"
        assert "'model' is not there" in refused(ask(client), 503)


def test_answer_is_that_of_the_typed_route(client: TestClient):
    instances = [
        {"area": 1.5, "rooms": 3, "sizes": [1, 2], "sold_on": "2020-01-02", "wall": "wood"},
        {"area": 2.5, "rooms": None, "sizes": [3, 4], "sold_on": "2021-01-02", "wall": "ströh"},
    ]
    typed = client.post("/predict", json={"instances": instances, "parameters": {"factor": 2}}).json()["predictions"]
    tensors = [
        {"name": "area", "datatype": "FP32", "shape": [2, 1], "data": [1.5, 2.5]},
        {"name": "rooms", "datatype": "BYTES", "shape": [2], "data": ["3", "null"]},
        {"name": "sizes", "datatype": "FP64", "shape": [2, 2], "data": [[1, 2], [3, 4]]},
        {"name": "sold_on", "datatype": "BYTES", "shape": [2], "data": ["2020-01-02", "2021-01-02"]},
        {"name": "wall", "datatype": "BYTES", "shape": [2], "data": ["wood", "ströh"]},
    ]
    found = outputs(ask(client, *tensors, parameters={"factor": 2}))
    assert [row["dollars"] for row in typed] == found["dollars"] == [30, 50]
    assert [row["range"]["low"] for row in typed] == found["range.low"]
    assert [row["wall"] for row in typed] == found["wall"]
    assert [row["rooms"] for row in typed] == [json.loads(text) for text in found["rooms"]] == [3, None]
    assert [end for row in typed for end in row["ends"]] == found["ends"]
    assert [row["is_large"] for row in typed] == found["is_large"] == [True, True]


def test_only_wanted_outputs_are_given(client: TestClient):
    answer = ask(client, outputs=[{"name": "ends"}, {"name": "dollars"}])
    assert [output["name"] for output in answer.json()["outputs"]] == ["ends", "dollars"]
    assert answer.json()["outputs"][0]["shape"] == [2, 2]


@pytest.mark.parametrize("version", ["housing.v1.m2", "m2", "2"])
def test_version_may_be_named(client: TestClient, monkeypatch: pytest.MonkeyPatch, version: str):
    monkeypatch.setattr(client.app.state.rung_observer, "revision", "housing.v1.m2")  # type: ignore[attr-defined]
    path = f"/v2/models/predict/versions/{version}"
    assert client.get(path).json()["versions"] == ["housing.v1.m2"]
    assert client.get(f"{path}/ready").status_code == 200
    assert client.post(f"{path}/infer", json={"inputs": [AREA]}).json()["model_version"] == "housing.v1.m2"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("models/nope", id="model"),
        pytest.param("models/nope/ready", id="ready model"),
        pytest.param("models/predict/versions/7", id="version"),
        pytest.param("models/predict/versions/7/ready", id="ready version"),
        pytest.param("models/predict/config", id="extension"),
        pytest.param("repository/index", id="elsewhere"),
    ],
)
def test_what_is_not_there_is_a_404(client: TestClient, path: str):
    assert refused(client.get(f"/v2/{path}"), 404)


@pytest.mark.parametrize("path", ["/v2/models/nope/infer", "/v2/models/predict/versions/7/infer"])
def test_inference_elsewhere_is_a_404(client: TestClient, path: str):
    assert refused(client.post(path, json={"inputs": [AREA]}), 404)


@pytest.mark.parametrize(
    ("body", "because"),
    [
        pytest.param(b"{", "is not JSON", id="no JSON"),
        pytest.param({}, "/inputs Field required", id="no inputs"),
        pytest.param({"inputs": []}, "/inputs", id="empty inputs"),
        pytest.param({"inputs": [AREA], "paramters": {}}, "/paramters", id="misspelt key"),
        pytest.param({"inputs": [{**AREA, "shape": []}]}, "/inputs/0/shape", id="no dimension"),
        pytest.param({"inputs": [{**AREA, "shape": [-2]}]}, "/inputs/0/shape/0", id="negative dimension"),
        pytest.param({"inputs": [{**AREA, "datatype": "BF16"}]}, "there is BOOL, BYTES", id="datatype"),
        pytest.param({"inputs": [AREA, AREA]}, "is there twice", id="twice"),
        pytest.param({"inputs": [{**AREA, "data": None}]}, "needs its data once", id="no data"),
        pytest.param({"inputs": [{**AREA, "data": [1]}]}, "has 1 values in the shape [2]", id="shape"),
        pytest.param({"inputs": [{**AREA, "name": "aera"}]}, "no input 'aera'; there is area, rooms", id="input"),
        pytest.param({"inputs": [{**AREA, "data": [1, -1]}]}, "/instances/1/area Input should be", id="out of range"),
        pytest.param({"inputs": [{**AREA, "data": [1, "x"]}]}, "/instances/1/area Input should be", id="wrong type"),
        pytest.param({"inputs": [{**AREA, "parameters": {"shared_memory_region": "a"}}]}, "shared_memory", id="memory"),
        pytest.param({"inputs": [{**AREA, "parameters": {"content_type": "base64"}}]}, "base64", id="encoded"),
        pytest.param({"inputs": [AREA], "outputs": [{"name": "nope"}]}, "no output 'nope'", id="output"),
        pytest.param({"inputs": [AREA], "parameters": {"fcator": 2}}, "no parameter 'fcator'", id="parameter"),
        pytest.param({"inputs": [AREA], "parameters": {"factor": "x"}}, "/parameters/factor", id="parameter's type"),
    ],
)
def test_wrong_request_is_a_400(client: TestClient, body: Any, because: str):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert because in refused(client.post(INFER, content=content), 400)


def test_instances_that_do_not_fit_are_pointed_at(client: TestClient):
    answer = ask(client, {**AREA, "shape": [3], "data": [1, -1, -2]})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/instances/1/area", "/instances/2/area"]


def test_number_that_is_not_finite_is_a_400(client: TestClient):
    answer = client.post(INFER, content=json.dumps({"inputs": [{**AREA, "data": [1, float("inf")]}]}))
    assert "/instances/1/area" in refused(answer, 400)


def test_too_many_instances_are_a_400(client: TestClient):
    assert "at most 3 items" in refused(ask(client, {**AREA, "shape": [4], "data": [1] * 4}), 400)


def test_large_body_is_a_413(client: TestClient):
    large = {**AREA, "data": [0.5] * (MAX_BODY_BYTES // 4)}
    assert f"more than {MAX_BODY_BYTES:,} bytes" in refused(ask(client, large), 413)


def test_hints_of_other_clients_are_taken(client: TestClient):
    texts = {"name": "wall", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "b"]}
    answer = ask(
        client,
        AREA,
        {**texts, "parameters": {"content_type": "str"}},
        parameters={"content_type": "pd"},
        model_name="predict",
        id=None,
    )
    assert outputs(answer)["wall"] == ["a None []", "b None []"]


def test_client_names_its_prediction(client: TestClient):
    answer = ask(client, id="order 7")
    assert (answer.json()["id"], answer.headers["x-request-id"]) == ("order 7", "order 7")
    again = client.post(INFER, json={"inputs": [AREA], "id": "order 7"}, headers={"x-request-id": "of the gateway"})
    assert (again.json()["id"], again.headers["x-request-id"]) == ("order 7", "of the gateway")
    odd = ask(client, id="Bestellung für 7")
    assert odd.json()["id"] == "Bestellung für 7"
    assert odd.headers["x-request-id"].isascii()
    assert "id" not in ask(client).json()


def test_prediction_is_logged_like_a_typed_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("RUNG_LOG", str(tmp_path))
    app = create_serving_app(predict=predict)
    with (
        bind_artifacts(app, {"model": lambda area: 10 * area}),
        TestClient(app, raise_server_exceptions=False) as client,
    ):
        typed = client.post("/predict", json={"instances": [{"area": 1}, {"area": 2}]})
        tensors = ask(client, id="order 7")
        ask(client, {**AREA, "data": [1, -1]})
        metrics = client.get("/metrics").text
    first, second, third = [
        json.loads(line) for path in tmp_path.glob("predictions-*") for line in path.read_text().splitlines()
    ]
    assert [line["id"] for line in (first, second)] == [typed.headers["x-request-id"], "order 7"]
    for key in ("instances", "parameters", "predictions", "route", "status"):
        assert first[key] == second[key]
    assert third["status"] == 400
    assert tensors.headers["x-request-id"] == "order 7"
    assert 'rung_requests_total{route="predict",status="400"}' in metrics


def binary(client: TestClient, body: dict[str, Any], data: bytes, **headers: str) -> Response:
    text = json.dumps(body).encode()
    return client.post(
        INFER, content=text + data, headers={"inference-header-content-length": str(len(text)), **headers}
    )


def test_tensors_come_and_go_in_binary_form(client: TestClient):
    area = {**AREA, "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    del area["data"]
    wanted = [{"name": "dollars", "parameters": {"binary_data": True}}, {"name": "is_large"}]
    answer = binary(client, {"inputs": [area], "outputs": wanted}, struct.pack("<2f", 1.5, 2.5))
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.content[:length])
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert struct.unpack("<2d", answer.content[length:]) == (15, 25)
    assert head["outputs"][1]["data"] == [True, True]


@pytest.mark.parametrize(
    ("size", "data", "length", "because"),
    [
        pytest.param(8, bytes(7), "", "names 8 bytes in binary form; there are 7", id="too short"),
        pytest.param(8, bytes(9), "", "name 8 bytes in binary form; there are 9", id="too long"),
        pytest.param(7, bytes(7), "", "no whole number of FP32", id="half a number"),
        pytest.param(4, bytes(4), "", "has 1 values in the shape", id="too few"),
        pytest.param("8", bytes(8), "", "names '8' bytes", id="no number"),
        pytest.param(-1, bytes(8), "", "names -1 bytes", id="negative"),
        pytest.param(8, bytes(8), "9999", "a length up to", id="JSON beyond the body"),
        pytest.param(8, bytes(8), "x", "a length up to", id="no length"),
    ],
)
def test_wrong_binary_form_is_a_400(client: TestClient, *, size: Any, data: bytes, length: str, because: str):
    area = {"name": "area", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": size}}
    headers = {"inference-header-content-length": length} if length else {}
    assert because in refused(binary(client, {"inputs": [area]}, data, **headers), 400)


def test_dependencies_of_fastapi_work():
    def handler(request: Body, x_price: Annotated[float, Header()]) -> list[Prediction]:
        return [answered(instance, x_price) for instance in request.instances]

    with TestClient(create_serving_app(predict=handler)) as client:
        answer = client.post(INFER, json={"inputs": [AREA]}, headers={"x-price": "7"})
        assert outputs(answer)["dollars"] == [7, 7]
        assert "/header/x-price" in refused(ask(client), 400)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        pytest.param(ValueError("secret"), 500, "the handler raised ValueError", id="anything"),
        pytest.param(HTTPException(status_code=451, detail="not here"), 451, "not here", id="chosen"),
    ],
)
def test_error_of_a_handler_is_told(error: Exception, status: int, said: str):
    def handler(request: Body) -> list[Prediction]:
        raise error

    with TestClient(create_serving_app(predict=handler), raise_server_exceptions=False) as client:
        assert refused(ask(client), status) == said


REQUEST = """
    from pydantic import BaseModel, Field

    class Instance(BaseModel):
        x: float = Field(ge=0)
        name: str = ""
        weights: list[float] = []

    class Parameters(BaseModel):
        seconds: float = 0.0
    """
RESPONSE = """
    from pydantic import BaseModel

    class Prediction(BaseModel):
        y: float
        label: str
        worker: int
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The service `line` behind a gateway."""

    address: str
    log: Path

    def ask(self, python: Path, client: str, path: str) -> dict[str, Any]:
        """Let a public client ask; give what it got."""
        command = [str(python), "-I", str(HERE / f"v2_{client}.py"), f"{self.address}{path}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for path in self.log.glob("predictions-*") for line in path.read_text().splitlines()]


@contextmanager
def gateway_to(server_socket: Path) -> Iterator[str]:
    """Run Envoy in front of `line.v1.m1`; give its address."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    backend = Backend(revision="line.v1.m1", endpoints=(f"unix:{server_socket}",))
    production = Production(service="line", major=1, incumbent="line.v1.m1")
    with TemporaryDirectory(prefix="gw") as folder:
        gateway = Gateway(folder=Path(folder), port=port)
        gateway.prepare()
        with subprocess.Popen(gateway.command()) as envoy:
            try:
                until(gateway.ready)
                gateway.apply(Routing(backends=(backend,), productions=(production,)))
                yield f"127.0.0.1:{port}"
            finally:
                envoy.terminate()
                envoy.wait(60)


@pytest.fixture
def site(place: Place) -> Iterator[Site]:
    lay_line(place)
    place.write("experiments/line/schema/request.py", REQUEST)
    place.write("experiments/line/schema/response.py", RESPONSE)
    place.edit(
        "experiments/line/serve/app.py", "Prediction(y", "Prediction(label=f'{instance.name} {instance.weights}', y"
    )
    environment = {"RUNG_REVISION": "line.v1.m1"}
    ended = place.python("-m", "rung.training.deployed", "--service", "line", environment=environment)
    assert ended.returncode == 0, ended.stderr
    with serving(place) as server, gateway_to(server.socket) as address:
        yield Site(address=address, log=server.log)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that has the public clients."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = Lock(text=f"# Python {version}\n{(HERE / 'v2_clients.txt').read_text()}")
    return Environments(tmp_path_factory.mktemp("environments"), with_rung=False).ensure(lock).python


LABELS = ["a [1.0, 2.0]", "ö [3.0, 4.0]"]


def test_triton_client_asks_through_the_gateway(site: Site, clients: Path):
    production, exact = (site.ask(clients, "triton", path) for path in ("/line/v1", "/line/v1/m1"))
    assert production == exact
    assert all(production[name] for name in ("is live", "is ready", "model is ready"))
    assert not production["other is ready"]
    assert production["server"]["name"] == "rung"
    assert production["model"]["versions"] == ["line.v1.m1"]
    assert (production["id"], production["version"]) == ("42", "line.v1.m1")
    assert production["y"] == production["y as told"] == [4.5, 7.5]
    assert production["label"] == production["label as told"] == LABELS
    assert production["outputs as told"] == ["y", "label"]
    assert production["wrong"][0] == "400"
    assert "/instances/0/x Input should be greater than or equal to 0" in production["wrong"][1]
    assert production["nowhere"] == ["404", "there is no model 'nope'; there is predict"]
    entries = site.logged()
    assert sorted({(entry["kind"], entry["status"]) for entry in entries}) == [
        *(("exact", 200), ("exact", 400), ("production", 200), ("production", 400))
    ]
    assert "42" not in {entry["id"] for entry in entries}  # the gateway's names are unique


def test_protocols_own_client_asks_through_the_gateway(site: Site, clients: Path):
    found = site.ask(clients, "openapi", "/line/v1")
    assert [tensor["name"] for tensor in found["model"]["inputs"]] == ["x", "name", "weights"]
    assert (found["id"], found["version"]) == ("42", "line.v1.m1")
    assert (found["y"], found["label"]) == ([4.5, 7.5], LABELS)
    assert "/instances/1/x" in found["wrong"]
    assert "no version '7' here; line.v1.m1 answers" in found["nowhere"]
