"""For consumers: predictions through the gateway, and what came of them.

Retries what may be repeated: a connection that broke, a 429, a 502 to 504. Every outcome carries an id, so one that is
sent again counts once.

    with Client("http://127.0.0.1:4780") as client:
        answer = client.predict("housing", 1, [house], unit="customer-7")
        client.report("housing", "within_10_percent", 1.0, unit="customer-7")
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx2
from pydantic_core import to_json

from rung._http import verify
from rung.errors import BrokenError, CallError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

__all__ = ["Answer", "Client"]

_AGAIN = (429, 502, 503, 504)
_WAITS_S = (0.1, 0.3, 1.0, 3.0, 5.0, 5.0, 5.0)  # before each further attempt
_TOO_MANY_OR_WRONG = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Predictions and where they came from."""

    predictions: Sequence[Mapping[str, Any]]
    """One for each instance, in order."""
    prediction_id: str
    """Names these predictions for ever: in logs, in outcomes."""
    revision: str
    """Who answered, as `housing.v1.m2`."""


@dataclass(slots=True)
class Client:
    """A consumer of one gateway; safe between threads.

    Args:
        url: The gateway.
        timeout_s: Seconds for one attempt.
        unit_header: Header that names the unit of an A/B test.
        api_key: The consumer's key, where the service demands one.
    """

    url: str
    timeout_s: float = 10.0
    unit_header: str = "x-unit-id"
    api_key: str | None = field(default=None, repr=False)
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        key = {} if self.api_key is None else {"x-api-key": self.api_key}
        self._http = httpx2.Client(base_url=self.url, timeout=self.timeout_s, headers=key, verify=verify(self.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(
        self,
        service: str,
        major: int,
        instances: Sequence[Any],
        *,
        unit: str | None = None,
        parameters: Any = None,
        route: str = "predict",
    ) -> Answer:
        """Ask whoever answers production.

        Args:
            service: The service's name.
            major: Its major.
            instances: Models or plain data.
            unit: Who or what an A/B test assigns; the same unit is answered by the same arm.
            parameters: Shared by all instances; None: the service's defaults.
            route: The service's route.

        Raises:
            CallError: The service refused the request; the message says why.
            UnavailableError: It did not answer, several times in a row.
            BrokenError: It answered an error.
        """
        body: dict[str, Any] = {"instances": instances}
        if parameters is not None:
            body["parameters"] = parameters
        headers = {self.unit_header: unit} if unit is not None else {}
        answer = self._post(f"/{service}/v{major}/{route}", to_json(body), headers)
        return Answer(
            predictions=answer.json()["predictions"],
            prediction_id=answer.headers.get("x-request-id", ""),
            revision=answer.headers.get("x-revision", ""),
        )

    def report(
        self,
        service: str,
        metric: str,
        value: float,
        *,
        unit: str | None = None,
        prediction_id: str | None = None,
        time: datetime | None = None,
        id: str | None = None,  # noqa: A002  the field's name
    ) -> None:
        """Tell what came of a prediction; returns when it is kept.

        Args:
            service: The service's name.
            metric: The business metric's name.
            value: The measurement; for a proportion 0 or 1.
            unit: The unit that it is about, or
            prediction_id: the prediction that it is about.
            time: When it happened, aware; None: now.
            id: Idempotency key; None: a new one.

        Raises:
            CallError: It was refused; the message says why.
            UnavailableError: It could not be kept.
        """
        outcome = {
            "service": service,
            "metric": metric,
            "value": value,
            "unit": unit,
            "prediction_id": prediction_id,
            "time": time,
            "id": id or str(uuid.uuid4()),
        }
        self.report_all([outcome])

    def report_all(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Tell several outcomes at once, as plain data; each without an `id` gets one.

        Raises:
            CallError: One was refused; none is kept.
            UnavailableError: They could not be kept.
        """
        identified = [{**outcome, "id": outcome.get("id") or str(uuid.uuid4())} for outcome in outcomes]
        told = [{name: value for name, value in outcome.items() if value is not None} for outcome in identified]
        self._post("/outcomes", to_json(told), {})

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        sent = {"content-type": "application/json", **headers}
        reason = ""
        for wait_s in (*_WAITS_S, None):
            try:
                answer = self._http.post(path, content=body, headers=sent)
            except httpx2.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < _TOO_MANY_OR_WRONG:
                    return answer
                reason = _detail(answer)
                if answer.status_code not in _AGAIN:
                    kind = CallError if answer.is_client_error else BrokenError
                    raise kind(f"{path} answered {answer.status_code}: {reason}")
            if wait_s is not None:
                time.sleep(wait_s)
        raise UnavailableError(f"{self.url}{path} did not answer: {reason}", hint="try again later")


def _detail(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return answer.text[:300]
    errors = "; ".join(f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
    return f"{problem.get('detail', '')} {errors}".strip()
