"""The service specification: prose, and service levels as data in its front matter (TOML between `+++` lines)."""

from __future__ import annotations

import tomllib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rung.errors import WorkspaceError

_FENCE = "+++"


class ServiceLevel(BaseModel):
    """What consumers may rely on; the load test judges against it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_p99_ms: Annotated[float, Field(gt=0, description="99th percentile of the time to an answer, milliseconds")]
    throughput_rps: Annotated[float, Field(gt=0, description="requests per second that must be sustained")]
    error_rate: Annotated[float, Field(ge=0, lt=1, description="largest share of requests that may fail")]


class Specification(BaseModel):
    """The front matter of `specification.md`. Fields beyond the service levels are the author's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    title: Annotated[str, Field(min_length=1)]
    latency_p99_ms: Annotated[float, Field(gt=0)]
    throughput_rps: Annotated[float, Field(gt=0)]
    error_rate: Annotated[float, Field(ge=0, lt=1)]

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
    opening, _, rest = text.lstrip().partition("\n")
    matter, fence, _ = rest.partition(f"\n{_FENCE}")
    if opening.strip() != _FENCE or not fence:
        raise WorkspaceError(f"{name} has no front matter", hint=f"begin it with TOML between two lines of {_FENCE}")
    try:
        return Specification.model_validate(tomllib.loads(matter))
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(f"{name}: the front matter is not TOML ({error})", hint="mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise WorkspaceError(
            f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}", hint="give it in the front matter"
        ) from error
