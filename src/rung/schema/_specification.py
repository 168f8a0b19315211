"""The service specification: prose, and data in its front matter (TOML between two `+++` lines).

The data are what tests, gates and the seven questions go by; a field that is not known here is refused.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FENCE = "+++"

_Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
_Line: TypeAlias = Annotated[str, Field(min_length=1, max_length=300)]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
_Test: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]


class ServiceLevel(BaseModel):
    """What consumers may rely on; the load test judges against it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_p99_ms: Annotated[_Positive, Field(description="99th percentile of the time to an answer, milliseconds")]
    throughput_rps: Annotated[_Positive, Field(description="requests per second that must be sustained")]
    error_rate: Annotated[_Share, Field(description="largest share of requests that may fail")]

    def looser(self, limits: Mapping[str, float]) -> tuple[str, ...]:
        """Say which limits let through what this does not.

        >>> ServiceLevel(latency_p99_ms=250, throughput_rps=20, error_rate=0.01).looser({"throughput_rps": 5})
        ('throughput_rps = 5, and promised is 20',)
        """
        found = []
        for name, limit in limits.items():
            promised = float(getattr(self, name))
            if limit < promised if name == "throughput_rps" else limit > promised:
                found.append(f"{name} = {limit:g}, and promised is {promised:g}")
        return tuple(found)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owners(_Declared):
    """The two who answer for the service, and who sign its specification: `[owners]`."""

    product: Annotated[_Line | None, Field(description="who answers for what it is for")] = None
    engineering: Annotated[_Line | None, Field(description="who answers for how it does it")] = None


class Consumer(_Declared):
    """Who asks the service: `[[consumers]]`."""

    name: _Name
    needs: Annotated[tuple[_Name, ...], Field(description="fields of a prediction that it reads")] = ()
    transforms: Annotated[
        _Line | None, Field(description="what it must do with an answer before it can use it; none: nothing")
    ] = None
    route: Annotated[_Name | None, Field(description="which it asks; none: any")] = None
    requests_per_s: Annotated[_Positive | None, Field(description="expected at the busiest hour")] = None
    instances: Annotated[int | None, Field(ge=1, description="in one request, at the most")] = None


class EdgeCase(_Declared):
    """A situation beside the usual ones, and the serving test that covers it: `[[edge_cases]]`."""

    name: _Line
    test: Annotated[_Test, Field(description="a function in tests/serve/")]


class Accuracy(_Declared):
    """How right the service must be, by a data test: `[[accuracy]]`."""

    test: Annotated[_Test, Field(description="a function in tests/data.py")]
    at_least: Annotated[float | None, Field(allow_inf_nan=False)] = None
    at_most: Annotated[float | None, Field(allow_inf_nan=False)] = None

    @model_validator(mode="after")
    def _one_threshold(self) -> Accuracy:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self

    def holds(self, value: float) -> bool:
        """Tell whether a score suffices; one that is no number does not.

        >>> Accuracy(test="r2", at_least=0.5).holds(0.6)
        True
        """
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)

    def __str__(self) -> str:
        """Spell it, as `r2 >= 0.5`."""
        return f"{self.test} >= {self.at_least:g}" if self.at_least is not None else f"{self.test} <= {self.at_most:g}"


def _named(given: Any) -> Any:
    """Read a consumer of which only the name is told."""
    return {"name": given} if isinstance(given, str) else given


class Specification(_Declared):
    """The front matter of `specification.md`."""

    title: Annotated[str, Field(min_length=1)]
    latency_p99_ms: _Positive
    throughput_rps: _Positive
    error_rate: _Share
    owners: Owners = Owners()
    consumers: tuple[Annotated[Consumer, BeforeValidator(_named)], ...] = ()
    edge_cases: tuple[EdgeCase, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Specification:
        for what, names in (
            ("consumers", [one.name for one in self.consumers]),
            ("edge cases", [one.name for one in self.edge_cases]),
            ("needs of accuracy", [one.test for one in self.accuracy]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"two {what} are named {', '.join(twice)}")
        return self

    @property
    def service_level(self) -> ServiceLevel:
        """The part that tests judge against."""
        return ServiceLevel(
            latency_p99_ms=self.latency_p99_ms, throughput_rps=self.throughput_rps, error_rate=self.error_rate
        )

    @property
    def expected_rps(self) -> float | None:
        """Requests per second that all consumers are expected to send at the busiest hour; None where nobody says."""
        told = [one.requests_per_s for one in self.consumers if one.requests_per_s is not None]
        return sum(told) if told else None


def parse_specification(text: str, *, name: str = "specification.md") -> Specification:
    r"""Read the front matter of a specification.

    >>> text = '+++\ntitle = "Houses"\nlatency_p99_ms = 250\nthroughput_rps = 20\nerror_rate = 0.01\n+++\n# Problem\n'
    >>> parse_specification(text).throughput_rps
    20.0

    Raises:
        WorkspaceError: There is no front matter, it is not TOML, a service level is missing or out of its range, or
            a field is not known.
    """
    lines = text.removeprefix("\ufeff").lstrip().splitlines()
    fences = [index for index, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(fences) < 2 or fences[0] != 0:  # noqa: PLR2004  one opens, one closes
        raise WorkspaceError(f"{name} has no front matter", hint=f"begin it with TOML between two lines of {_FENCE}")
    try:
        return Specification.model_validate(tomllib.loads("\n".join(lines[1 : fences[1]])))
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(f"{name}: the front matter is not TOML ({error})", hint="mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = f"the fields are {', '.join(Specification.model_fields)}; what is not data belongs into the prose"
            raise WorkspaceError(f"{name}: there is no field {where}", hint=known) from error
        told = f"{where}: {first['msg']}" if where else str(first["msg"])
        raise WorkspaceError(f"{name}: {told}", hint="give it in the front matter") from error
