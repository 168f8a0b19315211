"""`?explain=true`: beside the predictions, why. Only on routes whose handlers are marked `@explained`.

A request that asks for it is answered, and logged, as every other one is; then the handler is called once more with a
model that notes what it is asked. Explanations are not logged: they follow from the revision and the instance. A
prediction is never lost because of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pydantic_core import to_json

from rung import artifacts
from rung.errors import RungError, SchemaError
from rung.explain import explained_of
from rung.serving._bundle import read_bundle
from rung.serving._predict import read_request
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message, Receive, Scope

    from rung.explain import Explanation
    from rung.serving._endpoint import Endpoint
    from rung.serving._handler import Handler
    from rung.serving._observe import Observation

_logger = logging.getLogger("rung.serving")
_YES = frozenset((b"true", b"1", b"yes"))
_SECONDS = 20.0
"""For one explanation, waiting included; then there is none."""
_WAITING = 8
"""Requests that wait for their explanations, which are made one after the other."""
_EVALUATED = "evaluated"  # of rung.testing, which lies above
_CHUNK = 512
"""Rows in one call of the handler, where many are asked for."""
_NOTHING: Mapping[str, Any] = {}


def asks_why(scope: Scope) -> bool:
    """Tell whether a request asks for explanations."""
    given = parse_qs(scope["query_string"]).get(b"explain", ())
    return any(value.lower() in _YES for value in given)


def explained_artifact(handler: Handler) -> str | None:
    """Name the model of a handler that is explained; None: its answers are not.

    Raises:
        SchemaError: The handler takes no such artifact, or several and says not which.
    """
    mark = explained_of(handler.function)
    if mark is None:
        return None
    taken = sorted(artifact.name for artifact in handler.artifacts.values())
    if mark.artifact in taken:
        return mark.artifact
    if mark.artifact is not None or len(taken) != 1:
        wanted = "no artifact" if mark.artifact is None else f"the artifact {mark.artifact!r}"
        raise SchemaError(
            f"the handler of {handler.route!r} is @explained by {wanted}, and takes {', '.join(taken) or 'none'}",
            hint='name one of them: @explained(artifact="build_model")',
        )
    return taken[0]


class Explaining:
    """The explanations of one route."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._artifact = explained_artifact(endpoint.handler)
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._known: Sequence[Any] | None = None

    async def answer(self, observation: Observation, receive: Receive, others: Mapping[str, Any] = _NOTHING) -> bytes:
        """Answer a request that asks why: `predictions`, and `explanations` in the same order.

        Where there are none `explanations` is null, and `explanations_because` says why.

        Raises:
            ProblemError: 403: explanations are not allowed here; or there is no prediction.
            HTTPException: As above, raised by the handler.
        """
        endpoint = self._endpoint
        if self._artifact is None:
            problem = ProblemError(status=403, detail=f"the route {endpoint.handler.route} gives no explanations")
            endpoint.observer.failed(observation, problem)
            raise problem
        parts: list[bytes] = []

        async def heard() -> Message:
            message = await receive()
            parts.append(message.get("body", b""))
            return message

        answered = await endpoint.answer(observation, heard, others)
        try:
            found = await self._in_turn(read_request(endpoint.handler, b"".join(parts)), others)
            told = b',"explanations":' + to_json([one.to_json() for one in found]) + b"}"
        except RungError as error:
            told = _untold(error.message if not error.hint else f"{error.message}: {error.hint}")
        except TimeoutError:
            told = _untold(f"it took longer than {_SECONDS:g} s")
        except Exception as error:  # the prediction is made and logged: it is not lost because of this
            _logger.exception("explanation_failed")
            told = _untold(f"it raised {type(error).__name__}")
        return answered[:-1] + told

    async def _in_turn(self, request: Any, others: Mapping[str, Any]) -> list[Explanation]:
        if self._waiting >= _WAITING:
            raise TimeoutError
        self._waiting += 1
        try:
            async with asyncio.timeout(_SECONDS), self._turn:
                return await self._explain(request, others)
        finally:
            self._waiting -= 1

    async def _explain(self, request: Any, others: Mapping[str, Any]) -> list[Explanation]:
        """Let the handler answer again, and explain what it asked the model."""
        from rung.conversion import Recorder  # noqa: PLC0415  only for those who ask
        from rung.explain import NotExplainableError, explain_use  # noqa: PLC0415  as above

        endpoint, handler = self._endpoint, self._endpoint.handler
        assert self._artifact is not None  # noqa: S101  asked before
        model = native(endpoint.artifacts.get(self._artifact))
        recorder = Recorder(model)
        arguments = self._models()
        arguments |= {name: recorder for name, one in handler.artifacts.items() if one.name == self._artifact}
        if handler.features:
            arguments |= endpoint.features.readers(handler.features, [])
        arguments |= {handler.body_name: request, **others}
        count = len(request.instances)  # before the handler may change them
        await self._call(arguments)
        try:
            return await asyncio.to_thread(explain_use, model, recorder.use, artifact=self._artifact, count=count)
        except NotExplainableError as error:
            held_out = await asyncio.to_thread(self._held_out)
            if not held_out:
                raise
            _logger.debug("explained_by_sampling: %s", error.message)
        return await self._sample(request, {**arguments, **self._models()}, held_out)

    def _models(self) -> dict[str, Any]:
        """Give the artifacts that the handler takes, by parameter."""
        endpoint = self._endpoint
        return {name: endpoint.artifacts.get(artifact.name) for name, artifact in endpoint.handler.artifacts.items()}

    async def _sample(self, request: Any, arguments: dict[str, Any], held_out: Sequence[Any]) -> list[Explanation]:
        """Let the handler answer for instances between held-out ones and those of the request."""
        from rung.explain import plan_sampling, settle_sampling  # noqa: PLC0415  only for those who ask

        sampling = plan_sampling(request.instances, held_out)
        name, predictions = self._endpoint.handler.body_name, []
        for start in range(0, len(sampling.rows), _CHUNK):
            rows = list(sampling.rows[start : start + _CHUNK])
            body = type(request).model_construct(instances=rows, parameters=request.parameters)
            predictions += await self._call({**arguments, name: body})
        told = [one.model_dump() for one in predictions]
        return settle_sampling(sampling, told, artifact=self._artifact or "")

    async def _call(self, arguments: dict[str, Any]) -> Any:
        handler = self._endpoint.handler
        if handler.is_async:
            return await handler.function(**arguments)
        return await asyncio.to_thread(handler.function, **arguments)

    def _held_out(self) -> Sequence[Any]:
        """Read some of the held-out instances of the revision, once; none outside of a deployment."""
        if self._known is None:
            self._known = read_held_out(self._endpoint.handler)
        return self._known


def read_held_out(handler: Handler) -> list[Any]:
    """Read the held-out instances that evaluation kept with their answers; none, where it kept none of this route."""
    state, revision = os.environ.get("RUNG_STATE"), os.environ.get("RUNG_REVISION")
    if not state or not revision:
        return []
    digest = read_bundle(Path(state), revision).artifacts.get(_EVALUATED)
    store = artifacts.LocalStore(Path(state) / "artifacts")
    if digest is None or not store.has(digest):
        return []
    data = store.get(digest)
    if artifacts.describe(data).marked_unsafe:
        return []
    exchanges = artifacts.decode(data, digest=digest)["exchanges"]
    asked = [one for exchange in exchanges if exchange["route"] == handler.route for one in exchange["instances"]]
    return [handler.instance.model_validate(one) for one in asked]


def native(model: Any) -> Any:
    """Give the model itself where a converted one answers for it."""
    return model.native if getattr(type(model), "__rung_runtime__", None) is not None else model


def _untold(because: str) -> bytes:
    return b',"explanations":null,"explanations_because":' + to_json(because) + b"}"
