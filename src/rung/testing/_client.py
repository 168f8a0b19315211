"""The client that tests are given: typed predictions over HTTP, in process or from anywhere."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from rung.errors import NotFoundError, RungError
from rung.schema import instance_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx2
    from pydantic import BaseModel

    from rung.serving import Handler

_KEPT = 1_000  # exchanges that a recording client keeps
_CHUNK = 256  # instances in one request at most, so that a request stays well below its timeout


class PredictionError(RungError):
    """The service answered a test's request with a problem."""

    code = "prediction"


class Client:
    """A consumer of one revision.

    `client.predict(instances)` gives one `Prediction` for each instance, in order, however many there are: requests are
    cut to what `@max_instances` allows. `client.http` is the plain `httpx2` client for everything else.
    """

    def __init__(self, http: httpx2.Client, handlers: Mapping[str, Handler]) -> None:
        self.http = http
        self._handlers = handlers

    def predict(
        self,
        instances: Sequence[BaseModel | Mapping[str, Any]],
        parameters: BaseModel | Mapping[str, Any] | None = None,
        route: str = "predict",
    ) -> list[Any]:
        """Predict.

        Args:
            instances: Models or plain data.
            parameters: Shared by all instances; None: the service's defaults.
            route: The handler's name.

        Raises:
            NotFoundError: There is no such route.
            PredictionError: The service answered a problem.
        """
        if route not in self._handlers:
            raise NotFoundError(f"there is no route {route!r}", hint=f"the routes are {', '.join(self._handlers)}")
        handler = self._handlers[route]
        predictions: list[Any] = []
        for chunk in _chunks(instances, min(instance_limit(handler.instance), _CHUNK)):
            body: dict[str, Any] = {"instances": chunk}
            if parameters is not None:
                body["parameters"] = parameters
            predictions.extend(self._post(handler, to_json(body)))
        return predictions

    def _post(self, handler: Handler, body: bytes) -> list[Any]:
        answer = self.http.post(f"/{handler.route}", content=body, headers={"content-type": "application/json"})
        if answer.status_code != 200:  # noqa: PLR2004  the one status of an answer
            raise PredictionError(f"{handler.route} answered {answer.status_code}: {answer.text[:500]}")
        return handler.answer.validate_python(answer.json()["predictions"])  # type: ignore[no-any-return]


class RecordingClient(Client):
    """A client that asks for each instance once and remembers the answer.

    A data test that is computed again on a part of the rows costs no further request; a regression test that failed can
    show what it compared.

    Attributes:
        remembers: False asks the service every time: a test may compare a house alone with the same one among others.
        exchanges: Instance and prediction of the first calls, in order.
        asked: Predictions that were given in all.
    """

    def __init__(self, http: httpx2.Client, handlers: Mapping[str, Handler]) -> None:
        super().__init__(http, handlers)
        self.remembers = True
        self._answers: dict[tuple[str, bytes, bytes], Any] = {}
        self._spelled: dict[int, tuple[Any, bytes]] = {}
        self.exchanges: list[tuple[Any, Any]] = []
        self.asked = 0

    def predict(
        self,
        instances: Sequence[BaseModel | Mapping[str, Any]],
        parameters: BaseModel | Mapping[str, Any] | None = None,
        route: str = "predict",
    ) -> list[Any]:
        """Predict, asking the service only for instances that are new."""
        ask = self._recall if self.remembers else super().predict
        answers = ask(instances, parameters, route)
        self.asked += len(answers)
        kept = islice(zip(instances, answers, strict=True), _KEPT - len(self.exchanges))
        self.exchanges.extend(kept)
        return answers

    def _recall(
        self,
        instances: Sequence[BaseModel | Mapping[str, Any]],
        parameters: BaseModel | Mapping[str, Any] | None,
        route: str,
    ) -> list[Any]:
        shared = to_json(parameters)
        keys = [(route, shared, self._spell(instance)) for instance in instances]
        new = {key: instance for key, instance in zip(keys, instances, strict=True) if key not in self._answers}
        if new:
            asked = super().predict(list(new.values()), parameters, route)
            self._answers.update(zip(new, asked, strict=True))
        return [self._answers[key] for key in keys]

    def _spell(self, instance: Any) -> bytes:
        """Spell a frozen instance once per object; holding the object keeps its identity from being used again."""
        if not getattr(type(instance), "model_config", {}).get("frozen"):
            return to_json(instance)  # it may be changed between two calls
        held = self._spelled.get(id(instance))
        if held is None:
            held = self._spelled[id(instance)] = (instance, to_json(instance))
        return held[1]


def _chunks(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
