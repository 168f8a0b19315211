"""Spans of requests, for OpenTelemetry: where `OTEL_EXPORTER_OTLP_ENDPOINT` is set they go there, else no code runs.

A request's span goes on with the W3C context that it came with, through the gateway; where it has none, a trace begins
here. What a handler does with the OpenTelemetry API, or sends with instrumented clients, becomes part of it. The SDK
(`rung[otel]` in the service's requirements.txt) reads all other settings from its own `OTEL_*` variables.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.serving._observe import Observation

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
_BROKEN: Final = 500  # the status from which a server's span is an error

_logger = logging.getLogger("rung.serving")


@dataclass(slots=True, kw_only=True)
class RequestSpan:
    """One request's span while it is served."""

    span: Any
    """Of OpenTelemetry, as `context`."""
    context: Any
    """In which the handler's span lies."""

    @property
    def trace_id(self) -> str:
        """The trace, as log lines name it: 32 hexadecimal digits."""
        return f"{self.span.get_span_context().trace_id:032x}"


class Tracer:
    """Makes the spans of one worker."""

    def __init__(self, revision: str, environment: Mapping[str, str]) -> None:
        """Begin to trace a server; the SDK sends to where its variables say."""
        from opentelemetry import trace  # noqa: PLC0415  an optional extra

        self._revision = revision
        self._api = trace
        self._provider = _provider(revision, environment)
        trace.set_tracer_provider(self._provider)  # for spans of the author's own
        self._tracer = self._provider.get_tracer("rung")

    def begin(self, seen: Observation, headers: Mapping[bytes, bytes]) -> RequestSpan:
        """Begin the span of a request.

        Args:
            seen: The request.
            headers: Its `traceparent` and `tracestate`, where it has them.
        """
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  an optional extra
            TraceContextTextMapPropagator,
        )

        carrier = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
        attributes = {
            "http.request.method": "POST",
            "http.route": f"/{seen.route}",
            "rung.revision": self._revision,
            "rung.request_id": seen.id,
            "rung.kind": seen.kind,
        }
        if seen.arm is not None:
            attributes["rung.arm"] = seen.arm
        span = self._tracer.start_span(
            f"POST /{seen.route}",
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=self._api.SpanKind.SERVER,
            attributes=attributes,
        )
        return RequestSpan(span=span, context=self._api.set_span_in_context(span))

    def end(self, span: RequestSpan, *, status: int, instances: int) -> None:
        """End the span of a request: it was answered with this status."""
        span.span.set_attribute("http.response.status_code", status)
        span.span.set_attribute("rung.instances", instances)
        if status >= _BROKEN:
            span.span.set_status(self._api.StatusCode.ERROR)
        span.span.end()

    @contextmanager
    def handling(self, spans: Sequence[RequestSpan], instances: int) -> Iterator[None]:
        """Make the span of a handler's call around the block.

        Args:
            spans: Of the requests that it serves; it lies in the first one's, and is linked with all others.
            instances: Of all of them.
        """
        links = [self._api.Link(one.span.get_span_context()) for one in spans[1:]]
        with self._tracer.start_as_current_span(
            "handler",
            context=spans[0].context,
            links=links,
            attributes={"rung.revision": self._revision, "rung.requests": len(spans), "rung.instances": instances},
        ):
            yield

    @contextmanager
    def fetching(self, view: str, entities: int) -> Iterator[None]:
        """Make the span of a fetch of features around the block; it lies in the handler's."""
        attributes = {"rung.view": view, "rung.entities": entities}
        with self._tracer.start_as_current_span("features", kind=self._api.SpanKind.CLIENT, attributes=attributes):
            yield

    def close(self) -> None:
        """Send what has not been sent yet."""
        self._provider.shutdown()


def tracer_of(environment: Mapping[str, str], revision: str) -> Tracer | None:
    """Give the tracer that the environment asks for; None: it asks for none.

    Args:
        environment: With OpenTelemetry's own variables.
        revision: Of the server.
    """
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") in {
        "none",
        "console",
    }
    if is_off or not any(environment.get(name) for name in _ENDPOINTS):
        return None
    try:
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    except ModuleNotFoundError as error:  # of a package above
        missing = [str(error.name)]
    if missing:
        _logger.warning("no_traces: %s is not installed; add rung[otel] to requirements.txt", missing[0])
        return None
    return Tracer(revision, environment)


def _provider(revision: str, environment: Mapping[str, str]) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  an optional extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  as above

    service, _, version = revision.partition(".")
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    attributes = {"service.namespace": "rung", "service.version": version or revision}
    resource = Resource.create(attributes if named else attributes | {"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
