"""The two ends of a prediction: bytes to a valid request, what a handler gave to the bytes of an answer."""

from __future__ import annotations

import math
import re
from dataclasses import fields, is_dataclass
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from rung.serving._problems import SHOWN, ProblemError, invalid_body, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.serving._handler import Handler


_LARGE_EXPONENT = re.compile(rb"e\+?[0-9]{3}")
_ENDLESS = re.compile(rb"[0-9]{309}")
_STRIDE = 150  # of 309 digits in a row, two lie at multiples of it


def _may_overflow(body: bytes) -> bool:
    """Tell whether a body may hold a number that is not finite, as a word, an escaped word or digits.

    Bodies of which this is not true need no second look, and most are of that kind.
    """
    lower = body.lower()
    return (
        b"inf" in lower
        or b"nan" in lower
        or b"\\u" in lower
        or _LARGE_EXPONENT.search(lower) is not None
        or (
            any(body[at - 8 : at + 1].isdigit() for at in range(_STRIDE, len(body), _STRIDE))
            and _ENDLESS.search(body) is not None
        )
    )


def _may_be_infinite(written: bytes) -> bool:
    """As above, of an answer: Pydantic writes such a number as null, or as a word where the author's model says so."""
    lower = written.lower()
    return b"null" in lower or b"nan" in lower or b"inf" in lower


def read_request(handler: Handler, body: bytes) -> Any:
    """Validate a body as `Request[Instance, Parameters]`.

    Raises:
        ProblemError: 400 when it is not JSON, 422 when it does not fit the schema.
    """
    try:
        request = handler.body.validate_json(body)
    except ValidationError as error:
        raise invalid_body(error) from None
    if _may_overflow(body):
        _refuse_infinite(request)
    return request


def _refuse_infinite(request: Any) -> None:
    """Refuse what JSON cannot say: a NaN, an infinity, or digits that make one."""
    found = [("instances", *path) for path in _not_finite(request.instances)]
    found += [("parameters", *path) for path in _not_finite(request.parameters)]
    if found:
        errors = [{"pointer": pointer(path), "detail": "is not a finite number"} for path in found[:SHOWN]]
        raise ProblemError(status=422, detail="the body holds numbers that are not finite", errors=errors)


def write_answer(handler: Handler, predictions: list[Any], *, count: int) -> bytes:
    """Check what a handler gave, one finite prediction for each instance, and write it as a JSON array.

    Raises:
        ProblemError: 500: their number is not that of the instances, one does not fit the schema, holds a number that
            is not finite, or what JSON cannot say.
    """
    try:
        answer: list[Any] = handler.answer.validate_python(predictions)
    except Exception as error:  # the author's validators may raise anything
        raise ProblemError(status=500, detail=f"the prediction does not fit the schema: {_brief(error)}") from error
    if len(answer) != count:
        raise ProblemError(
            status=500, detail=f"the handler gave {len(answer)} predictions for {count} instances: one each is owed"
        )
    try:
        written = handler.answer.dump_json(answer, by_alias=True)  # as the schema of the answer says
    except PydanticSerializationError as error:
        _refuse_infinite_answer(answer)
        raise ProblemError(status=500, detail="the prediction cannot be written as JSON") from error
    if _may_be_infinite(written):
        _refuse_infinite_answer(answer)
    return written


def _refuse_infinite_answer(answer: list[Any]) -> None:
    errors = [
        {"pointer": pointer(["predictions", index, *path]), "detail": "is not finite"}
        for index, prediction in enumerate(answer)
        for path in _not_finite(prediction)
    ]
    if errors:
        raise ProblemError(status=500, detail="the prediction holds numbers that are not finite", errors=errors)


def _not_finite(value: Any) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            yield ()
        return
    if isinstance(value, BaseModel):
        items: Any = chain(
            value.__dict__.items(),
            (value.__pydantic_extra__ or {}).items(),
            ((name, getattr(value, name)) for name in type(value).model_computed_fields),
        )
    elif is_dataclass(value):
        items = ((item.name, getattr(value, item.name)) for item in fields(value))
    elif isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple | set | frozenset):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        for path in _not_finite(inner):
            yield (key, *path)


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{pointer(first['loc'])}: {first['msg']}"
    return str(error)
