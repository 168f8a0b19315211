"""What the gateway is asked to do, as plain values: the control plane builds a `Routing`, the gateway applies it.

A value that cannot work is refused where it is made: a configuration made of what is left is one that Envoy takes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from rung.errors import CallError

__all__ = ["Backend", "Production", "Routing", "Shadow", "Split"]

_REVISION = re.compile(r"[a-z][a-z0-9_-]{0,62}\.v[0-9]+\.m[0-9]+")
_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HEADER = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED_HEADERS = ("x-rung-", "x-envoy-")
_LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7) holds 108 with the closing zero
_SHORTEST_TIMEOUT_S = 0.01  # written with three digits, and 0 would be none at all
_LONGEST_TIMEOUT_S = 3_600.0
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A revision and the servers that answer for it; it is reachable at its exact path as long as it is listed.

    >>> Backend(revision="housing.v1.m2", endpoints=("unix:/run/m2.sock",)).path
    '/housing/v1/m2'
    """

    revision: str  # "housing.v1.m2"
    endpoints: tuple[str, ...]  # "unix:/absolute/path" or "address:port"; one per replica
    timeout_s: float = 60.0  # seconds from the end of the request to the end of the answer, retries included
    idempotent: bool = True  # a request may be sent again after a broken connection; predictions may

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.revision):
            raise CallError(f"{self.revision!r} is not a revision", hint="write it like housing.v1.m2")
        if not self.endpoints:
            raise CallError(f"{self.revision} has no endpoint", hint="leave out a backend that has no server")
        if len(set(self.endpoints)) != len(self.endpoints):
            raise CallError(f"{self.revision} names an endpoint twice: {', '.join(self.endpoints)}")
        if not _SHORTEST_TIMEOUT_S <= self.timeout_s <= _LONGEST_TIMEOUT_S:
            raise CallError(
                f"{self.revision} has a timeout of {self.timeout_s} s",
                hint=f"a timeout goes from {_SHORTEST_TIMEOUT_S} to {_LONGEST_TIMEOUT_S} s",
            )
        for endpoint in self.endpoints:
            check_endpoint(endpoint)

    @property
    def path(self) -> str:
        """The path at which exactly this revision answers, without the closing slash."""
        return "/" + self.revision.replace(".", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A running experiment: which share of the units the challenger answers."""

    experiment: str  # its id: the salt of the hash, so that each experiment draws its units anew
    challenger: str  # revision
    share: float  # 0..1 of the units; kept to 1/10,000

    def __post_init__(self) -> None:
        if not _EXPERIMENT.fullmatch(self.experiment):
            raise CallError(
                f"{self.experiment!r} is not the id of an experiment",
                hint="use 1 to 128 letters, digits, dots, dashes and underscores",
            )
        _check_share(self.share, of=f"experiment {self.experiment}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A share of the requests, sent to a revision as well; its answers are thrown away."""

    revision: str
    share: float  # 0..1 of the requests

    def __post_init__(self) -> None:
        _check_share(self.share, of=f"the shadow {self.revision}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """The production path of a major, and who answers there. Without incumbent it answers 503 and says why."""

    service: str
    major: int
    incumbent: str | None
    split: Split | None = None
    shadow: Shadow | None = None
    unit_header: str = "x-unit-id"

    def __post_init__(self) -> None:
        if not _SERVICE.fullmatch(self.service):
            raise CallError(
                f"{self.service!r} is not the name of a service", hint="use at most 63 of a-z, 0-9, _ and -"
            )
        if not _HEADER.fullmatch(self.unit_header) or self.unit_header.startswith(_RESERVED_HEADERS):
            raise CallError(
                f"{self.unit_header!r} cannot be the unit header of {self.name}",
                hint="use a-z, 0-9 and -, and not x-rung-* or x-envoy-*, which the gateway removes",
            )
        if self.incumbent is None and (self.split or self.shadow):
            raise CallError(f"{self.name} has a split or a shadow but no incumbent")
        if self.split and self.split.challenger == self.incumbent:
            raise CallError(f"{self.incumbent} cannot challenge itself")
        for revision in self.revisions:
            if not revision.startswith(f"{self.name}.m"):
                raise CallError(f"{revision} is not a revision of {self.name}")

    @property
    def name(self) -> str:
        """The major's name, as in "housing.v1"."""
        return f"{self.service}.v{self.major}"

    @property
    def path(self) -> str:
        """The production path, without the closing slash."""
        return f"/{self.service}/v{self.major}"

    @property
    def answering(self) -> tuple[str, ...]:
        """The revisions whose answers consumers see: the incumbent, then the challenger."""
        challenger = self.split.challenger if self.split else None
        return tuple(revision for revision in (self.incumbent, challenger) if revision)

    @property
    def revisions(self) -> tuple[str, ...]:
        """All revisions that get requests from this path."""
        return (*self.answering, *((self.shadow.revision,) if self.shadow else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """All that the gateway routes. `Routing()` routes nothing and is where a gateway begins."""

    backends: tuple[Backend, ...] = ()
    productions: tuple[Production, ...] = ()
    outcomes: str | None = None  # endpoint of the collector that takes POST /outcomes

    def __post_init__(self) -> None:
        _check_unique([backend.revision for backend in self.backends])
        _check_unique([production.name for production in self.productions])
        if self.outcomes is not None:
            check_endpoint(self.outcomes)
        known = {backend.revision for backend in self.backends}
        for production in self.productions:
            for revision in production.revisions:
                if revision not in known:
                    raise CallError(f"{production.name} routes to {revision}, which has no backend")

    def backend(self, revision: str) -> Backend:
        """Return the backend of a revision that is listed."""
        return next(backend for backend in self.backends if backend.revision == revision)


def check_endpoint(endpoint: str) -> None:
    """Raise `CallError` unless a proxy can connect to this endpoint without looking up a name."""
    if endpoint.startswith("unix:"):
        _check_socket_path(endpoint.removeprefix("unix:"))
        return
    host, _, port = endpoint.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise CallError(
            f"{endpoint!r} is not an endpoint", hint="write unix:/absolute/path or an IP address and a port"
        ) from None
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise CallError(f"{endpoint!r} has no port", hint=f"ports go from 1 to {_HIGHEST_PORT}")


def _check_socket_path(path: str) -> None:
    if not path.startswith("/"):
        raise CallError(f"the socket path {path!r} is not absolute")
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        raise CallError(
            f"the socket path {path} has {len(path.encode())} bytes; a system takes {_LONGEST_SOCKET_PATH}",
            hint="use a shorter folder",
        )


def _check_share(share: float, *, of: str) -> None:
    if not 0 <= share <= 1:
        raise CallError(f"the share of {of} is {share}", hint="a share goes from 0 to 1")


def _check_unique(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CallError(f"listed more than once: {', '.join(twice)}")
