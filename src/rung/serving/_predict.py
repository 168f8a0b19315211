"""From the bytes of a request to the bytes of an answer: validate, call, check, write."""

from __future__ import annotations

import math
import re
from dataclasses import fields, is_dataclass
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from rung.errors import NotFoundError
from rung.serving._problems import SHOWN, ProblemError, invalid_body, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.serving._artifact import Artifacts
    from rung.serving._handler import Handler


_MAY_OVERFLOW = re.compile(rb"(?i)nan|inf|\\u|e\+?[0-9]{3}|[0-9]{309}")
"""What a body has somewhere when a number in it is not finite; bodies without it need no second look."""


def read_request(handler: Handler, body: bytes) -> Any:
    """Validate a body as `Request[Instance, Parameters]`.

    Raises:
        ProblemError: 400 when it is not JSON, 422 when it does not fit the schema.
    """
    try:
        request = handler.body.validate_json(body)
    except ValidationError as error:
        raise invalid_body(error) from None
    if _MAY_OVERFLOW.search(body):
        _refuse_infinite(request)
    return request


def _refuse_infinite(request: Any) -> None:
    """Refuse what JSON cannot say: a NaN, an infinity, or digits that make one."""
    found = [("instances", *path) for path in _not_finite(request.instances)]
    found += [("parameters", *path) for path in _not_finite(request.parameters)]
    if found:
        errors = [{"pointer": pointer(path), "detail": "is not a finite number"} for path in found[:SHOWN]]
        raise ProblemError(status=422, detail="the body holds numbers that are not finite", errors=errors)


async def call(handler: Handler, request: Any, artifacts: Artifacts, others: Mapping[str, Any]) -> list[Any]:
    """Call the author's function and check what it gave: one finite prediction for each instance.

    Raises:
        ProblemError: 503 when an artifact is not there, 500 when the handler raised or its answer is not valid.
    """
    try:
        values = {name: artifacts.get(artifact.name) for name, artifact in handler.artifacts.items()}
    except NotFoundError as error:
        raise ProblemError(status=503, detail=str(error)) from None
    arguments = {handler.body_name: request, **values, **others}
    try:
        if handler.is_async:
            predictions = await handler.function(**arguments)
        else:
            predictions = await run_in_threadpool(handler.function, **arguments)
    except (ProblemError, HTTPException):
        raise
    except (Exception, SystemExit) as error:
        raise ProblemError(status=500, detail=f"the handler raised {type(error).__name__}") from error
    return checked(handler, predictions, count=len(request.instances))


def checked(handler: Handler, predictions: Sequence[Any], *, count: int) -> list[Any]:
    """Give the predictions back as models when they are an answer.

    Raises:
        ProblemError: 500: their number is not that of the instances, one does not fit the schema, or one holds a number
            that is not finite.
    """
    try:
        answer: list[Any] = handler.answer.validate_python(list(predictions))
    except Exception as error:  # a generator of the author's may raise anything
        raise ProblemError(status=500, detail=f"the prediction does not fit the schema: {_brief(error)}") from error
    if len(answer) != count:
        raise ProblemError(
            status=500, detail=f"the handler gave {len(answer)} predictions for {count} instances: one each is owed"
        )
    errors = [
        {"pointer": pointer(["predictions", index, *path]), "detail": "is not finite"}
        for index, prediction in enumerate(answer)
        for path in _not_finite(prediction)
    ]
    if errors:
        raise ProblemError(status=500, detail="the prediction holds numbers that are not finite", errors=errors)
    return answer


def write_answer(handler: Handler, predictions: list[Any]) -> bytes:
    """Write checked predictions as a JSON array.

    Raises:
        ProblemError: 500 when one holds what JSON cannot say.
    """
    try:
        return handler.answer.dump_json(predictions)
    except PydanticSerializationError as error:
        raise ProblemError(status=500, detail="the prediction cannot be written as JSON") from error


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
