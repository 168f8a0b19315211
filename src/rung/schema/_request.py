"""The body of every request: instances, and the parameters that they share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

InstanceT = TypeVar("InstanceT", bound=BaseModel)
ParametersT = TypeVar("ParametersT", bound=BaseModel)
ModelT = TypeVar("ModelT", bound=BaseModel)

_LIMIT = "__rung_max_instances__"
DEFAULT_MAX_INSTANCES = 1_000
"""Instances in one request when `Instance` carries no `@max_instances`."""


def max_instances(limit: int) -> Callable[[type[ModelT]], type[ModelT]]:
    """Bound the number of instances that one request may carry; more get a 422.

    >>> @max_instances(2)
    ... class House(BaseModel):
    ...     rooms: int
    >>> instance_limit(House)
    2

    Raises:
        SchemaError: The limit is not a whole number above 0.
    """
    if type(limit) is not int or limit < 1:
        raise SchemaError(f"max_instances({limit!r}) bounds nothing", hint="write it as @max_instances(64), 1 or more")

    def decorate(model: type[ModelT]) -> type[ModelT]:
        setattr(model, _LIMIT, limit)
        return model

    return decorate


def instance_limit(model: type[BaseModel]) -> int:
    """Tell how many instances of this class one request may carry."""
    limit: int = getattr(model, _LIMIT, DEFAULT_MAX_INSTANCES)
    return limit


class Request(BaseModel, Generic[InstanceT, ParametersT]):
    """`{"instances": [...], "parameters": {...}}`, typed by the author: `Request[Instance, Parameters]`.

    A request carries at least one instance and at most what `@max_instances` says. `parameters` may be left out when
    all of them have defaults. Unknown keys are refused.
    """

    model_config = ConfigDict(extra="forbid")

    instances: list[InstanceT]
    parameters: ParametersT

    if not TYPE_CHECKING:  # a type checker reads the generic; at run time the bounds of its arguments are added

        def __class_getitem__(cls, arguments: Any) -> type:
            """Make the bounded body for these two classes."""
            concrete = isinstance(arguments, tuple) and all(isinstance(argument, type) for argument in arguments)
            return _bounded(cls, *arguments) if concrete else super().__class_getitem__(arguments)


@lru_cache(maxsize=256)
def _bounded(base: type, instance: type[BaseModel], parameters: type[BaseModel]) -> type:
    for argument in (instance, parameters):
        if not issubclass(argument, BaseModel):
            raise SchemaError(
                f"Request[{instance.__name__}, {parameters.__name__}]: {argument.__name__} is not a Pydantic model",
                hint="write it as Request[Instance, Parameters], with the classes of schema/request.py",
            )
    optional = not any(field.is_required() for field in parameters.model_fields.values())
    body: type = create_model(
        f"Request[{instance.__name__}, {parameters.__name__}]",
        __base__=base,
        __module__=instance.__module__,
        instances=(list[instance], Field(min_length=1, max_length=instance_limit(instance))),  # type: ignore[valid-type]
        parameters=(parameters, Field(default_factory=parameters) if optional else Field()),
    )
    body.__rung_arguments__ = (instance, parameters)  # type: ignore[attr-defined]
    return body


def request_arguments(annotation: Any) -> tuple[type[BaseModel], type[BaseModel]] | None:
    """Give the `(Instance, Parameters)` of a `Request[...]` annotation, or None for anything else."""
    arguments: tuple[type[BaseModel], type[BaseModel]] | None = getattr(annotation, "__rung_arguments__", None)
    return arguments
