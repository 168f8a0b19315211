"""An author's handler, read once when the application is made: what it takes, what it gives."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from fastapi.params import Depends
from pydantic import BaseModel, TypeAdapter

from rung.errors import SchemaError
from rung.features import Features
from rung.schema import RouteContract, request_arguments, route_contract
from rung.serving._artifact import Artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHAPE = (
    "write it as def predict(request: Request[Instance, Parameters], "
    "model=Depends(Artifact('...'))) -> list[Prediction]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One route's function and the models of its body and answer."""

    route: str
    function: Callable[..., Any]
    is_async: bool
    body_name: str
    """The parameter that takes the request."""
    body: TypeAdapter[Any]
    instance: type[BaseModel]
    parameters: type[BaseModel]
    prediction: type[BaseModel]
    answer: TypeAdapter[Any]
    """list[Prediction]"""
    artifacts: Mapping[str, Artifact]
    """Parameter to artifact."""
    features: Mapping[str, Features]
    """Parameter to features."""
    others: tuple[inspect.Parameter, ...]
    """Parameters that FastAPI resolves: ordinary dependencies, headers."""

    @property
    def contract(self) -> RouteContract:
        """The route's schema as data."""
        return route_contract(instance=self.instance, parameters=self.parameters, prediction=self.prediction)


def read_handler(route: str, function: Callable[..., Any]) -> Handler:
    """Read the signature of a handler.

    Raises:
        SchemaError: It takes no `Request[Instance, Parameters]`, or does not return `list[Prediction]`.
    """
    hints = _hints(route, function)
    bodies: dict[str, Any] = {}
    artifacts: dict[str, Artifact] = {}
    features: dict[str, Features] = {}
    others: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name, parameter.annotation)
        dependency = _dependency(parameter, hint)
        if request_arguments(hint) is not None:
            bodies[name] = hint
        elif isinstance(dependency, Artifact):
            artifacts[name] = dependency
        elif isinstance(dependency, Features):
            features[name] = dependency
        else:
            others.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))
    if len(bodies) != 1:
        raise SchemaError(f"the handler of {route!r} takes {len(bodies)} Request[Instance, Parameters]", hint=_SHAPE)
    prediction = _prediction(route, hints.get("return"))
    ((body_name, body),) = bodies.items()
    instance, parameters = request_arguments(body) or (BaseModel, BaseModel)
    return Handler(
        route=route,
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        body_name=body_name,
        body=TypeAdapter(body),
        instance=instance,
        parameters=parameters,
        prediction=prediction,
        answer=TypeAdapter(list[prediction]),  # type: ignore[valid-type]
        artifacts=artifacts,
        features=features,
        others=tuple(others),
    )


def _hints(route: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SchemaError(
            f"the handler of {route!r} has an annotation that cannot be read ({error})",
            hint="import that name at run time, not under TYPE_CHECKING",
        ) from error


def _dependency(parameter: inspect.Parameter, hint: Any) -> Any:
    marks = [parameter.default, *(get_args(hint)[1:] if get_origin(hint) is Annotated else ())]
    return next((mark.dependency for mark in marks if isinstance(mark, Depends)), None)


def _prediction(route: str, returned: Any) -> type[BaseModel]:
    origin, arguments = get_origin(returned), get_args(returned)
    if origin in (list, Sequence) and len(arguments) == 1:
        (prediction,) = arguments
        if isinstance(prediction, type) and issubclass(prediction, BaseModel):
            return prediction
    raise SchemaError(f"the handler of {route!r} is not annotated to return list[Prediction]", hint=_SHAPE)
