"""The service specification: prose, and service levels as data in its front matter (TOML between `+++` lines)."""

from __future__ import annotations

import tomllib
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rung.errors import WorkspaceError

_FENCE = "+++"

_Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]


class ServiceLevel(BaseModel):
    """What consumers may rely on; the load test judges against it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_p99_ms: Annotated[_Positive, Field(description="99th percentile of the time to an answer, milliseconds")]
    throughput_rps: Annotated[_Positive, Field(description="requests per second that must be sustained")]
    error_rate: Annotated[_Share, Field(description="largest share of requests that may fail")]


class Specification(BaseModel):
    """The front matter of `specification.md`. Fields beyond the service levels are the author's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    title: Annotated[str, Field(min_length=1)]
    latency_p99_ms: _Positive
    throughput_rps: _Positive
    error_rate: _Share

    @property
    def service_level(self) -> ServiceLevel:
        """The part that tests judge against."""
        return ServiceLevel(
            latency_p99_ms=self.latency_p99_ms, throughput_rps=self.throughput_rps, error_rate=self.error_rate
        )


def parse_specification(text: str, *, name: str = "specification.md") -> Specification:
    r"""Read the front matter of a specification.

    >>> text = '+++\ntitle = "Houses"\nlatency_p99_ms = 250\nthroughput_rps = 20\nerror_rate = 0.01\n+++\n# Problem\n'
    >>> parse_specification(text).throughput_rps
    20.0

    Raises:
        WorkspaceError: There is no front matter, it is not TOML, or a service level is missing or out of its range.
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
        raise WorkspaceError(
            f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}", hint="give it in the front matter"
        ) from error
