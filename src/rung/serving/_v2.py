"""The Open Inference Protocol, version 2, beside the typed routes: every route is a model, so existing clients work.

A request is rewritten as the body of the typed route and takes the same way: the same validation, queue, log and
limits. Its answer is rewritten as tensors. The protocol: github.com/kserve/open-inference-protocol; tensors in binary
form are Triton's extension of it, which its clients use unless told otherwise.
"""

from __future__ import annotations

import inspect
import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from rung import __version__
from rung.serving import _tensors
from rung.serving._identity import identity, name_again, named_before
from rung.serving._predict import read_request
from rung.serving._problems import ProblemError, invalid_body, pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fastapi import FastAPI

    from rung.schema import RouteContract
    from rung.serving._endpoint import Endpoint
    from rung.serving._handler import Handler
    from rung.serving._observe import Observation
    from rung.serving._tensors import Tensor

_logger = logging.getLogger("rung.serving")
_BINARY = "binary_tensor_data"  # as servers of the protocol call the extension
_HEADER_LENGTH = "inference-header-content-length"
_ALL_BINARY = "binary_data_output"
_CONTENT_TYPE = "content_type"  # a hint of MLServer's clients
_PLAIN_CONTENT = ("str", "np", "pd", "datetime")
_SPOKEN = 3  # errors that the sentence of an answer holds
_LONGEST = 2_000  # characters of it: names of tensors are the caller's own

_Rank = Field(min_length=1, max_length=16)
_Size = Annotated[int, Field(ge=0, lt=2**63)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    parameters: dict[str, Any] | None = None


class _Input(_Message):
    name: str
    datatype: str
    shape: Annotated[list[_Size], _Rank]
    data: list[Any] | None = None


class _Output(_Message):
    name: str


class _Inference(_Message):
    """The JSON part of a request."""

    id: str | None = None
    inputs: Annotated[list[_Input], Field(min_length=1)]
    outputs: list[_Output] | None = None
    model_name: str | None = None
    """Some clients repeat what the path says; the path counts."""
    model_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of the protocol, rewritten."""

    id: str | None
    body: bytes
    """As a consumer of the typed route would have sent it."""
    outputs: tuple[tuple[Tensor, bool], ...]
    """The tensors that are wanted, and whether in binary form."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A route as the protocol sees it. Pure; its tensors are derived when somebody asks for the first time."""

    handler: Handler

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """One tensor for each field of `Instance`."""
        return _tensors.tensors_of(self._contract.instance, whole="instance", is_answer=False)

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        """One tensor for each field of `Prediction`."""
        return _tensors.tensors_of(self._contract.prediction, whole="prediction", is_answer=True)

    @cached_property
    def _contract(self) -> RouteContract:
        return self.handler.contract

    @cached_property
    def _parameters(self) -> frozenset[str] | None:
        """Names of what `Parameters` takes; None when it takes any."""
        schema = self._contract.parameters
        return None if schema.get("additionalProperties") else frozenset(schema.get("properties", ()))

    def metadata(self, revision: str) -> dict[str, Any]:
        """Describe the model."""
        return {
            "name": self.handler.route,
            "versions": [revision],
            "platform": "rung",
            "inputs": [tensor.metadata for tensor in self.inputs],
            "outputs": [tensor.metadata for tensor in self.outputs],
        }

    def read(self, body: bytes, header_length: str | None) -> Asked:
        """Rewrite a request.

        Args:
            body: JSON, and after it the tensors in binary form.
            header_length: The header that says where the JSON ends.

        Raises:
            ProblemError: 400: it is not a request of the protocol, or its tensors are not those of the model.
        """
        length = len(body) if header_length is None else _length(header_length, len(body))
        try:
            message = _Inference.model_validate_json(body[:length])
        except ValidationError as error:
            raise invalid_body(error) from None
        parameters = dict(message.parameters or {})
        all_binary = self._taken(parameters, _ALL_BINARY) is True
        _check_content(self._taken(parameters, _CONTENT_TYPE), "the request")
        try:
            given = list(_given(message.inputs, body[length:], most_rows=self._contract.max_instances))
            rows = _tensors.rows_of(given, self.inputs)
            outputs = tuple(self._wanted(message.outputs, all_binary=all_binary))
            self._check_parameters(parameters)
        except _tensors.TensorError as error:
            raise ProblemError(status=400, detail=str(error)) from None
        typed = {"instances": rows, **({"parameters": parameters} if parameters else {})}
        return Asked(id=message.id, body=to_json(typed, inf_nan_mode="constants"), outputs=outputs)

    def write(self, asked: Asked, predictions: bytes, *, revision: str) -> Response:
        """Make the answer of predictions, a JSON array.

        Raises:
            ProblemError: 400 when a number does not fit its binary form, 500 when a prediction is not as its schema.
        """
        rows = from_json(predictions)
        outputs: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for tensor, is_binary in asked.outputs:
            output: dict[str, Any] = {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": [len(rows), *tensor.shape],
            }
            values = _promised(rows, tensor)
            if is_binary:
                parts.append(_packed(values, tensor))
                output["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                output["data"] = values
            outputs.append(output)
        head = {"model_name": self.handler.route, "model_version": revision, "outputs": outputs}
        written = to_json(head if asked.id is None else {"id": asked.id, **head})
        if not parts:
            return Response(written, media_type="application/json")
        return Response(
            b"".join((written, *parts)),
            media_type="application/octet-stream",
            headers={_HEADER_LENGTH: str(len(written))},
        )

    def _taken(self, parameters: dict[str, Any], name: str) -> Any:
        """Take a parameter of the protocol out, unless the service has one of that name."""
        return parameters.pop(name, None) if self._parameters is None or name not in self._parameters else None

    def _check_parameters(self, parameters: Mapping[str, Any]) -> None:
        if self._parameters is not None and (unknown := sorted(parameters.keys() - self._parameters)):
            there = ", ".join(sorted(self._parameters)) or "none"
            raise _tensors.TensorError(f"there is no parameter {', '.join(map(repr, unknown))}; there is {there}")

    def _wanted(self, wanted: list[_Output] | None, *, all_binary: bool) -> Iterator[tuple[Tensor, bool]]:
        if not wanted:
            yield from ((tensor, all_binary) for tensor in self.outputs)
            return
        there = {tensor.name: tensor for tensor in self.outputs}
        for output in wanted:
            if output.name not in there:
                raise _tensors.TensorError(f"there is no output {output.name!r}; there is {', '.join(there)}")
            parameters = dict(output.parameters or {})
            is_binary = parameters.pop("binary_data", all_binary) is True
            _check_content(parameters.pop(_CONTENT_TYPE, None), f"the output {output.name!r}")
            _refuse(parameters, f"the output {output.name!r}")
            yield there[output.name], is_binary


def _length(given: str, body: int) -> int:
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(body)) and int(given) <= body):
        raise ProblemError(
            status=400, detail=f"the header {_HEADER_LENGTH} is {given!r}: a length up to {body} is wanted"
        )
    return int(given)


def _given(inputs: list[_Input], binary: bytes, *, most_rows: int) -> Iterator[_tensors.Given]:
    """Put the tensors together from both parts of the body."""
    at = 0
    names: set[str] = set()
    for each in inputs:
        if each.name in names:
            raise _tensors.TensorError(f"the input {each.name!r} is there twice")
        names.add(each.name)
        if each.datatype not in _tensors.DATATYPES:
            known = ", ".join(sorted(_tensors.DATATYPES))
            raise _tensors.TensorError(f"the input {each.name!r} has the datatype {each.datatype!r}; there is {known}")
        parameters = dict(each.parameters or {})
        size = parameters.pop("binary_data_size", None)
        _check_content(parameters.pop(_CONTENT_TYPE, None), f"the input {each.name!r}")
        _refuse(parameters, f"the input {each.name!r}")
        if size is None:
            data = each.data
        else:
            data = _tensors.unpacked(_part(binary, at, size, each.name), each.datatype, name=each.name)
            at += size
        if data is None or (size is not None and each.data is not None):
            raise _tensors.TensorError(f"the input {each.name!r} needs its data once: in JSON or in binary form")
        yield _tensors.given(each.name, each.datatype, each.shape, data, most_rows=most_rows)
    if at != len(binary):
        raise _tensors.TensorError(f"the inputs name {at} bytes in binary form; there are {len(binary)}")


def _part(binary: bytes, at: int, size: Any, name: str) -> bytes:
    if type(size) is not int or not 0 <= size <= len(binary) - at:
        raise _tensors.TensorError(
            f"the input {name!r} names {size!r} bytes in binary form; there are {len(binary) - at}"
            f" (the header {_HEADER_LENGTH} says where they begin)"
        )
    return binary[at : at + size]


def _check_content(content: Any, of: str) -> None:
    """Refuse data that would have to be decoded; the other hints say what the tensors say already."""
    if content is not None and content not in _PLAIN_CONTENT:
        raise ProblemError(status=400, detail=f"{of} is encoded as {content!r}: send plain text and numbers")


def _refuse(parameters: Mapping[str, Any], of: str) -> None:
    if parameters:
        raise _tensors.TensorError(
            f"{of} has parameters that this server does not know: {', '.join(sorted(parameters))}"
        )


def _promised(rows: list[Any], tensor: Tensor) -> list[Any]:
    try:
        return _tensors.values_of(rows, tensor)
    except _tensors.TensorError as error:
        raise ProblemError(status=500, detail=str(error)) from None


def _packed(values: list[Any], tensor: Tensor) -> bytes:
    try:
        return _tensors.packed(values, tensor)
    except _tensors.TensorError as error:
        raise ProblemError(status=400, detail=str(error)) from None


class _Route(APIRoute):
    """A route of the protocol: its errors are as the protocol has them."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        answer = super().get_route_handler()

        async def explained(request: Request) -> Response:
            try:
                response: Response = await answer(request)
            except Exception as error:  # noqa: BLE001  whatever it is, the client can read only this
                return _explained(error, request.url.path)
            return response

        return explained


def _explained(error: Exception, path: str) -> Response:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        error = ProblemError(status=400, detail=f"{pointer(first['loc'])}: {first['msg']}")
    if isinstance(error, HTTPException):
        error = ProblemError(status=error.status_code, detail=str(error.detail), headers=error.headers or {})
    if not isinstance(error, ProblemError):
        _logger.error("request_failed: %s", path, exc_info=error)
        error = ProblemError(status=500, detail=f"the service raised {type(error).__name__}")
    elif error.__cause__ is not None:
        _logger.error("prediction_failed: %s", error.detail, exc_info=error.__cause__)
    found = [f"{each['pointer']} {each['detail']}" for each in error.errors]
    more = "; ..." if len(found) > _SPOKEN else ""
    said = f"{error.detail}: {'; '.join(found[:_SPOKEN])}{more}" if found else error.detail
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."
    body = {"error": said, **({"errors": error.errors} if error.errors else {})}
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status_code=error.status,
        media_type="application/json",
        headers=dict(error.headers),
    )


def add_v2(app: FastAPI, endpoints: Mapping[str, Endpoint]) -> None:
    """Add the protocol's routes to an application: `/v2`, `/v2/health/...`, `/v2/models/ROUTE/...`."""
    models = {route: Model(handler=endpoint.handler) for route, endpoint in endpoints.items()}
    for route, endpoint in endpoints.items():
        for path in (f"/v2/models/{route}/infer", f"/v2/models/{route}/versions/{{version}}/infer"):
            _add(app, path, _inference(app, models[route], endpoint), "POST")
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        _add(app, path, _metadata(app, models), "GET")
        _add(app, f"{path}/ready", _readiness(app, models), "GET")
    _add_server(app)
    _add(app, "/v2/{path:path}", _elsewhere(models), "GET", "POST")


def _add(app: FastAPI, path: str, answer: Callable[..., Any], *methods: str) -> None:
    app.router.add_api_route(
        path, answer, methods=list(methods), include_in_schema=False, response_model=None, route_class_override=_Route
    )


def _inference(app: FastAPI, model: Model, endpoint: Endpoint) -> Callable[..., Any]:
    async def infer(http_request: Request, **others: Any) -> Response:
        revision = _revision(app, model, http_request.path_params.get("version"))
        scope = http_request.scope
        observation = endpoint.observer.begin(scope["headers"], route=model.handler.route, id=named_before(scope))
        with _failures(endpoint, observation):
            body = await endpoint.intake.read(
                http_request.receive, declared=observation.content_length, most=endpoint.max_body_bytes
            )
        try:
            with _failures(endpoint, observation):
                asked = model.read(body, http_request.headers.get(_HEADER_LENGTH))
                _take_id(observation, asked, http_request)
                request = read_request(model.handler, asked.body)
            predictions = await endpoint.predict(observation, request, others)
        finally:
            endpoint.intake.release(body)
        return model.write(asked, predictions, revision=revision)

    http_parameter = inspect.Parameter("http_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    infer.__signature__ = inspect.Signature([http_parameter, *model.handler.others])  # type: ignore[attr-defined]
    return infer


@contextmanager
def _failures(endpoint: Endpoint, observation: Observation) -> Iterator[None]:
    """Log and count what is no request; the protocol has one status for a wrong one."""
    try:
        yield
    except ProblemError as problem:
        if problem.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            problem.status = HTTPStatus.BAD_REQUEST
        endpoint.observer.failed(observation, problem)
        raise


def _take_id(observation: Observation, asked: Asked, http_request: Request) -> None:
    """Let the client's id be the prediction's, unless a gateway has named the request: its names are unique."""
    if asked.id and "x-request-id" not in http_request.headers:
        given = asked.id.encode()
        if identity(given).encode() == given:
            observation.id = asked.id
            name_again(http_request.scope, asked.id)


def _metadata(app: FastAPI, models: Mapping[str, Model]) -> Callable[..., Any]:
    async def metadata(model: str, version: str | None = None) -> Response:
        found = _found(models, model)
        return JSONResponse(found.metadata(_revision(app, found, version)))

    return metadata


def _readiness(app: FastAPI, models: Mapping[str, Model]) -> Callable[..., Any]:
    async def ready(model: str, version: str | None = None) -> Response:
        _revision(app, _found(models, model), version)
        _check_ready(app)
        return JSONResponse({"name": model, "ready": True})

    return ready


def _add_server(app: FastAPI) -> None:
    async def server() -> Response:
        return JSONResponse({"name": "rung", "version": __version__, "extensions": [_BINARY]})

    async def live() -> Response:
        return JSONResponse({"live": True})

    async def ready() -> Response:
        _check_ready(app)
        return JSONResponse({"live": True, "ready": True})

    for path, answer in (("/v2", server), ("/v2/health/live", live), ("/v2/health/ready", ready)):
        _add(app, path, answer, "GET")


def _check_ready(app: FastAPI) -> None:
    if because := app.state.rung_ready:
        raise ProblemError(status=503, detail=f"not ready: {because}")


def _found(models: Mapping[str, Model], name: str) -> Model:
    if name not in models:
        raise ProblemError(status=404, detail=f"there is no model {name!r}; there is {', '.join(models)}")
    return models[name]


def _revision(app: FastAPI, model: Model, version: str | None) -> str:
    """Name the revision that answers; a client may ask for it in full (`housing.v1.m2`), as `m2` or as `2`."""
    revision: str = app.state.rung_observer.revision
    minor = revision.rpartition(".")[2]
    if version not in (None, revision, minor, minor.removeprefix("m")):
        raise ProblemError(
            status=404, detail=f"{model.handler.route!r} has no version {version!r} here; {revision} answers"
        )
    return revision


def _elsewhere(models: Mapping[str, Model]) -> Callable[..., Any]:
    async def elsewhere(path: str, http_request: Request) -> Response:
        kind, _, rest = path.partition("/")
        if kind == "models":
            _found(models, rest.partition("/")[0])
        raise ProblemError(
            status=404,
            detail=f"there is no {http_request.method} /v2/{path}; there is POST /v2/models/<route>/infer, and more "
            "in the Open Inference Protocol",
        )

    return elsewhere
