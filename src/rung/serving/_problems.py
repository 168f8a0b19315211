"""Errors of the API as problem details (RFC 9457), with JSON pointers (RFC 6901) to what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import ValidationError

MEDIA_TYPE = "application/problem+json"
SHOWN = 50
"""Errors in one answer at the most."""
LONGEST = 300
"""Characters of a caller's own words that an answer repeats."""
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True, kw_only=True, eq=False)
class ProblemError(Exception):
    """An answer that is not a prediction; raised anywhere while a request is served."""

    status: int
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    """Each `{"pointer": "/instances/0/rooms", "detail": "..."}`."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.detail

    def response(self, **more: Any) -> Response:
        """Make the answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": _PHRASES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **more,
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(
            json.dumps(body, ensure_ascii=False).encode(),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=dict(self.headers),
        )


def pointer(location: Iterable[int | str]) -> str:
    """Spell a location as a JSON pointer.

    >>> pointer(["instances", 0, "a/b"])
    '/instances/0/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def invalid_body(error: ValidationError) -> ProblemError:
    """Tell a caller what is wrong with a body: 400 when it is not JSON, else 422."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return ProblemError(status=400, detail=f"the body is not JSON: {details[0]['msg']}")
    count = error.error_count()
    return ProblemError(
        status=422,
        detail=f"the body does not fit the schema in {count} {'place' if count == 1 else 'places'}",
        errors=places(details),
    )


def places(details: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Tell where errors are, as Pydantic or FastAPI found them: a caller gets no more back than it can read."""
    return [
        {"pointer": pointer(detail["loc"])[:LONGEST], "detail": str(detail["msg"])[:LONGEST]}
        for detail in details[:SHOWN]
    ]
