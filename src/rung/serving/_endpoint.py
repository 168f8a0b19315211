"""One route while it serves: from the bytes of a request to the bytes of an answer, through the queue of its handler.

Everything that can be known before the first request is found out when the application is made.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from rung.errors import NotFoundError, UnavailableError
from rung.infrastructure import ServingHardware
from rung.serving._batching import Batcher, Call, CountError, LateError, Limits, OverloadError
from rung.serving._features import feature_problem, note
from rung.serving._logs import REQUESTS
from rung.serving._predict import read_request, write_answer
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import Receive

    from rung.features import Fetch
    from rung.serving._artifact import Artifacts
    from rung.serving._batching import Outcome
    from rung.serving._features import ServedViews
    from rung.serving._handler import Handler
    from rung.serving._observe import Observation, Observer

MAX_BODY_BYTES = ServingHardware().max_body_bytes()
"""Bytes of one request outside a deployment; a larger one gets a 413."""
MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024
"""Bytes of all bodies that one process holds; a request that would go beyond gets a 503."""
THREADS = 40
"""Calls at a time of an ordinary handler that takes one request a call."""
TASKS = 1_000
"""As above, of an asynchronous one."""
_RETRY_AFTER = {"retry-after": "1"}
_NOTHING: Mapping[str, Any] = {}
_NO_SPAN: AbstractContextManager[None] = nullcontext()


@dataclass(slots=True, eq=False, kw_only=True)
class _Asked(Call[Any]):
    """A valid request while it waits."""

    request: Any
    others: Mapping[str, Any]
    observation: Observation | None
    """None: the server asks itself, and keeps no log of it."""


@dataclass(slots=True)
class Intake:
    """Bounds the memory that bodies take while they are read and answered."""

    held: int = 0
    """Bytes."""

    async def read(self, receive: Receive, *, declared: bytes | None, most: int) -> bytes:
        """Read a body; its bytes are held until `release`.

        Args:
            receive: Gives the parts.
            declared: The header `content-length`.
            most: Bytes that it may have.

        Raises:
            ProblemError: 413 when it is too large, 503 when too much is held already, 400 when it breaks off.
        """
        size = int(declared) if declared is not None and declared.isdigit() else 0
        _check_sizes(size, self.held + size, most)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            body = await self._read_on(receive, body, most)
        elif message["type"] == "http.disconnect":
            raise _broken_off()
        if len(body) > most:
            raise _too_large(most)
        self.held += len(body)
        return body

    def release(self, body: bytes) -> None:
        """Let go of a body that was read."""
        self.held -= len(body)

    async def _read_on(self, receive: Receive, begun: bytes, most: int) -> bytes:
        parts = [begun]
        size = len(begun)
        self.held += size
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _broken_off()
                part: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                parts.append(part)
                size += len(part)
                self.held += len(part)
                _check_sizes(size, self.held, most)
        finally:
            self.held -= size
        return b"".join(parts)


@dataclass(slots=True, eq=False)
class Endpoint:
    """One route: its handler, what the handler takes, and the queue in front of it."""

    handler: Handler
    artifacts: Artifacts
    observer: Observer
    intake: Intake
    features: ServedViews
    max_body_bytes: int = MAX_BODY_BYTES
    _batcher: Batcher[Any] = field(init=False)
    _shares: bool = field(init=False)

    def __post_init__(self) -> None:
        self.open(Limits(concurrency=TASKS if self.handler.is_async else THREADS))

    @property
    def waiting(self) -> int:
        """Requests that wait for a call to begin."""
        return self._batcher.waiting

    @property
    def is_plain(self) -> bool:
        """The handler takes its request, artifacts and features, and nothing that FastAPI resolves."""
        return not self.handler.others

    def deploy(self, serving: ServingHardware, *, replace: Callable[[], None]) -> None:
        """Begin anew with the limits that were declared of the machine."""
        self.max_body_bytes = serving.max_body_bytes(self.handler.route)
        self.open(limits_of(serving, self.handler), replace=replace)

    def open(self, limits: Limits, *, replace: Callable[[], None] | None = None) -> None:
        """Begin anew with these limits."""
        self._shares = limits.max_items > 1
        self._batcher = Batcher(
            self._function,
            limits=limits,
            is_async=self.handler.is_async,
            settle=self._settle,
            replace=replace,
            may_block=bool(self.handler.features) and self.features.is_remote,
            begun=self.observer.metrics_of(self.handler.route).called,
        )

    def close(self) -> None:
        """Let go of what the queue holds."""
        self._batcher.close()

    async def answer(self, observation: Observation, receive: Receive, others: Mapping[str, Any] = _NOTHING) -> bytes:
        """Answer a request: the body of the answer, once it is in the log.

        Args:
            observation: Of this request.
            receive: Gives the body.
            others: What FastAPI resolved for the handler's other parameters.

        Raises:
            ProblemError: There is no prediction; it has been logged too.
            HTTPException: As above, raised by the handler.
        """
        try:
            body = await self.intake.read(receive, declared=observation.content_length, most=self.max_body_bytes)
            try:
                predictions: bytes = await self._submit(observation, read_request(self.handler, body), others)
            finally:
                self.intake.release(body)
        except (ProblemError, HTTPException) as problem:
            self.observer.failed(observation, problem)
            raise
        return b'{"predictions":' + predictions + b"}"

    async def predict(self, observation: Observation, request: Any, others: Mapping[str, Any] = _NOTHING) -> bytes:
        """Answer a valid request of another protocol: the predictions as a JSON array, once they are in the log.

        Raises:
            ProblemError: As `answer`.
            HTTPException: As `answer`.
        """
        try:
            predictions: bytes = await self._submit(observation, request, others)
        except (ProblemError, HTTPException) as problem:
            self.observer.failed(observation, problem)
            raise
        return predictions

    async def rehearse(self, request: Any) -> None:
        """Answer a request of the server's own, without a log.

        Raises:
            ProblemError: There is no prediction.
            HTTPException: As above, raised by the handler.
        """
        call = _Asked(items=tuple(request.instances), key=None, request=request, others=_NOTHING, observation=None)
        await self._batcher.submit(call)

    def _submit(self, observation: Observation, request: Any, others: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Let a valid request wait for its answer: the predictions as a JSON array.

        Raises:
            ProblemError: 503: too many wait already.
        """
        observation.received(request)
        call = _Asked(
            items=tuple(request.instances),  # a handler may change its list, and owes no less
            key=observation.parameters if self._shares and not others else None,
            started=observation.started,
            context=None if self._shares else copy_context(),
            request=request,
            others=others,
            observation=observation,
        )
        try:
            return self._batcher.submit(call)
        except OverloadError:
            raise _overloaded("as many requests wait as may wait") from None

    def _function(self, calls: Sequence[Any]) -> Any:
        """Call the author's function for these requests, which have equal parameters."""
        first: _Asked = calls[0]
        request = first.request
        if len(calls) > 1:
            together = [instance for call in calls for instance in call.items]
            request = type(request).model_construct(instances=together, parameters=request.parameters)
        handler = self.handler
        try:
            values = {name: self.artifacts.get(artifact.name) for name, artifact in handler.artifacts.items()}
            if handler.features:
                notes: list[Fetch] = []
                values |= self.features.readers(handler.features, notes)
                note(calls, notes)
        except NotFoundError as error:  # the gateway asks another server when it sees this header
            raise ProblemError(status=503, detail=str(error), headers={"x-rung-not-ready": "1"}) from None
        arguments = {handler.body_name: request, **values, **first.others}
        seen = [call.observation for call in calls if call.observation is not None]
        return self._awaited(seen, arguments) if handler.is_async else self._called(seen, arguments)

    def _called(self, seen: Sequence[Observation], arguments: dict[str, Any]) -> Any:
        token = REQUESTS.set(seen)
        try:
            with self._span(seen):
                return self.handler.function(**arguments)
        except SystemExit as error:
            raise _raised(error) from error
        finally:
            REQUESTS.reset(token)

    async def _awaited(self, seen: Sequence[Observation], arguments: dict[str, Any]) -> Any:
        token = REQUESTS.set(seen)
        try:
            with self._span(seen):
                return await self.handler.function(**arguments)
        except SystemExit as error:
            raise _raised(error) from error
        finally:
            REQUESTS.reset(token)

    def _span(self, seen: Sequence[Observation]) -> AbstractContextManager[None]:
        """Give the span of a call, where its requests are traced."""
        tracer = self.observer.tracer
        if tracer is None:
            return _NO_SPAN
        spans = [one.span for one in seen if one.span is not None]
        return tracer.handling(spans, sum(one.count for one in seen)) if spans else _NO_SPAN

    def _settle(self, settled: Sequence[tuple[Any, Outcome]]) -> None:
        """Check, log and hand out what a call of the handler gave, one write for all."""
        answers: list[tuple[_Asked, bytes]] = []
        for call, outcome in settled:
            try:
                answers.append((call, self._written(call, outcome)))
            except Exception as error:  # noqa: BLE001  whatever it is, its caller is told and nobody else
                call.done.set_exception(_problem(error, len(call.items)))
        try:
            self.observer.answered([(call.observation, answer) for call, answer in answers if call.observation])
        except UnavailableError as refused:
            for call, _ in answers:
                call.done.set_exception(_unlogged(refused))
            return
        for call, answer in answers:
            call.done.set_result(answer)

    def _written(self, call: _Asked, outcome: Outcome) -> bytes:
        if isinstance(outcome, Exception):
            raise outcome
        return write_answer(self.handler, outcome, count=len(call.items))


def limits_of(serving: ServingHardware, handler: Handler) -> Limits:
    """Tell the limits of a route from what was declared of its machine."""
    batching = serving.batching_of(handler.route)
    apart = TASKS if handler.is_async else THREADS
    return Limits(
        max_items=1 if batching is None else batching.max_instances,
        max_waiting=serving.most_waiting,
        timeout_s=serving.request_timeout_s,
        concurrency=apart if batching is None else 1,
    )


def _problem(error: Exception, count: int) -> Exception:
    if isinstance(error, ProblemError | HTTPException):
        return error
    if isinstance(error, LateError):
        return ProblemError(status=504, detail="the prediction took longer than request_timeout_s allows")
    if isinstance(error, CountError):
        return ProblemError(status=500, detail=f"the handler {error}")
    return feature_problem(error, count) or _raised(error)


def _raised(error: BaseException) -> ProblemError:
    problem = ProblemError(status=500, detail=f"the handler raised {type(error).__name__}")
    problem.__cause__ = error
    return problem


def _unlogged(refused: UnavailableError) -> ProblemError:
    problem = ProblemError(status=503, detail="the prediction cannot be logged", headers={"retry-after": "5"})
    problem.__cause__ = refused
    return problem


def _check_sizes(body: int, held: int, most: int) -> None:
    if body > most:
        raise _too_large(most)
    if held > MAX_BYTES_IN_FLIGHT:
        raise _overloaded("the requests in flight fill the memory that is set aside for them")


def _overloaded(why: str) -> ProblemError:
    return ProblemError(status=503, detail=f"overloaded: {why}", headers=_RETRY_AFTER)


def _too_large(most: int) -> ProblemError:
    return ProblemError(status=413, detail=f"the body has more than {most:,} bytes")


def _broken_off() -> ProblemError:
    return ProblemError(status=400, detail="the body is not complete: the caller went away")
