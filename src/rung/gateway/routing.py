"""What the gateway is asked to do, as plain values: the control plane builds a `Routing`, the gateway applies it.

A value that cannot work is refused where it is made: a configuration made of what is left is one that Envoy takes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, Self

from rung.errors import CallError
from rung.gateway.limits import Consumer, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BUCKETS", "Arm", "Backend", "Challenger", "Production", "Routing", "Shadow", "Split"]

BUCKETS: Final = 10_000
"""The total weight of a split: always the same, or a change of share would move units in both directions."""

_REVISION = re.compile(r"[a-z][a-z0-9_-]{0,62}\.v[0-9]+\.m[0-9]+")
_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HEADER = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED_HEADERS = ("x-rung-", "x-envoy-")
_LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7) holds 108 with the closing zero
_SHORTEST_TIMEOUT_S = 0.01  # written with three digits, and 0 would be none at all
_LONGEST_TIMEOUT_S = 3_600.0
_HIGHEST_PORT = 65_535
_TWO_ARMS = ("challenger", "incumbent")
_ROUNDING = 1e-9  # by which the sum of shares that add up to 1 may miss it


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
    limits: Limits = field(
        default_factory=Limits
    )  # of what consumers may send to its exact path, and as incumbent to production

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
class Challenger:
    """A revision that an experiment tries, and how many of the units it answers."""

    revision: str
    share: float  # 0..1 of the units; kept to 1/10,000

    def __post_init__(self) -> None:
        _check_share(self.share, of=f"the challenger {self.revision}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A running experiment: which share of the units each challenger answers. The incumbent answers the rest.

    A share of 0 pauses a challenger: its units go to the incumbent and are still marked with the experiment.
    """

    experiment: str  # its id
    challengers: tuple[Challenger, ...]  # at least one, in the order of their buckets
    bandit: bool = False  # arms are named after their revisions, "m3"; more than one challenger needs that
    salt: str | None = None  # of the hash; None: the experiment's id, so that each experiment draws its units anew

    def __post_init__(self) -> None:
        _check_id(self.experiment, called="the id of an experiment")
        _check_id(self.hash_salt, called="a salt")
        if not self.challengers:
            raise CallError(f"experiment {self.experiment} has no challenger", hint="leave out a split that tries none")
        if len(self.challengers) > 1 and not self.bandit:
            raise CallError(
                f"experiment {self.experiment} has {len(self.challengers)} challengers, and an A/B test has one",
                hint="set bandit=True, which names the arms after their revisions",
            )
        total = sum(challenger.share for challenger in self.challengers)
        if total > 1 + _ROUNDING:
            raise CallError(
                f"the shares of the challengers in experiment {self.experiment} sum to {total}",
                hint="together they are at most 1; what they leave is the incumbent's",
            )

    @classmethod
    def ab(cls, *, experiment: str, challenger: str, share: float) -> Self:
        """Return the split of an A/B test: one challenger beside the incumbent.

        >>> Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.1).weights
        (1000, 9000)
        """
        return cls(experiment=experiment, challengers=(Challenger(revision=challenger, share=share),))

    @property
    def hash_salt(self) -> str:
        """What is hashed ahead of the unit."""
        return self.experiment if self.salt is None else self.salt

    @property
    def weights(self) -> tuple[int, ...]:
        """How many of the `BUCKETS` each challenger owns, then the incumbent. Their ends are rounded, not their sizes.

        So they always sum to `BUCKETS`, and a share that grows never costs its own arm a bucket.
        """
        shares = accumulate(challenger.share for challenger in self.challengers)
        ends = [min(round(share * BUCKETS), BUCKETS) for share in shares]
        return tuple(end - begin for begin, end in pairwise((0, *ends, BUCKETS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What a unit is assigned to in an experiment."""

    name: str  # as in `x-rung-arm`: "challenger" or "incumbent", in a bandit "m3"
    revision: str  # who answers, while it is healthy
    weight: int  # of the `BUCKETS`

    @property
    def propensity(self) -> float:
        """The probability with which a unit is assigned to this arm, 0..1."""
        return self.weight / BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A share of the requests, sent to a revision as well; its answers are thrown away.

    Shadows of one production path see the same requests: all that the smaller share sees, the larger share sees too.
    """

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
    shadows: tuple[Shadow, ...] = ()
    unit_header: str = "x-unit-id"
    standby: str | None = None  # answers in the incumbent's place while that has no healthy server

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
        if self.incumbent is None and (self.split or self.shadows or self.standby):
            raise CallError(f"{self.name} has a split, a shadow or a standby but no incumbent")
        if self.standby is not None and self.standby == self.incumbent:
            raise CallError(f"{self.standby} cannot stand by for itself")
        _check_unique(self.answering, hint="the incumbent cannot challenge itself, nor a challenger come twice")
        _check_unique([shadow.revision for shadow in self.shadows], hint="give each shadow one share")
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
        """The revisions whose answers consumers see: the incumbent, then the challengers."""
        challengers = self.split.challengers if self.split else ()
        return (*([self.incumbent] if self.incumbent else []), *(challenger.revision for challenger in challengers))

    @property
    def arms(self) -> tuple[Arm, ...]:
        """What units are assigned to, in the order of their buckets: the challengers, the incumbent. Empty: no split.

        >>> split = Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.1)
        >>> production = Production(service="housing", major=1, incumbent="housing.v1.m2", split=split)
        >>> [(arm.name, arm.revision, arm.propensity) for arm in production.arms]
        [('challenger', 'housing.v1.m3', 0.1), ('incumbent', 'housing.v1.m2', 0.9)]
        """
        if self.split is None:
            return ()
        incumbent, *challengers = self.answering
        revisions = (*challengers, incumbent)
        names = [revision.rpartition(".")[2] for revision in revisions] if self.split.bandit else _TWO_ARMS
        return tuple(
            Arm(name=name, revision=revision, weight=weight)
            for name, revision, weight in zip(names, revisions, self.split.weights, strict=True)
        )

    @property
    def revisions(self) -> tuple[str, ...]:
        """All revisions that get requests from this path."""
        standby = (self.standby,) if self.standby else ()
        return (*self.answering, *standby, *(shadow.revision for shadow in self.shadows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """All that the gateway routes. `Routing()` routes nothing and is where a gateway begins."""

    backends: tuple[Backend, ...] = ()
    productions: tuple[Production, ...] = ()
    outcomes: str | None = None  # endpoint of the collector that takes POST /outcomes
    guarded: tuple[
        str, ...
    ] = ()  # services that answer only who has a key; outcomes want one too as soon as there is one
    consumers: tuple[Consumer, ...] = ()  # who has a key
    server_token: str | None = field(default=None, repr=False)  # what servers with an address demand

    def __post_init__(self) -> None:
        _check_unique([backend.revision for backend in self.backends], hint="a revision has one backend")
        _check_unique([production.name for production in self.productions], hint="a major has one production path")
        _check_unique([consumer.digest for consumer in self.consumers], hint="a key has one consumer")
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

    def limits(self, production: Production) -> Limits:
        """Return what consumers may send to a production path: the incumbent's rates, and bodies that all arms take."""
        first, *others = (self.backend(revision).limits for revision in production.answering)
        return first.with_bodies_of(others)


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


def _check_id(value: str, *, called: str) -> None:
    if not _ID.fullmatch(value):
        raise CallError(f"{value!r} is not {called}", hint="use 1 to 128 letters, digits, dots, dashes and underscores")


def _check_share(share: float, *, of: str) -> None:
    if not 0 <= share <= 1:
        raise CallError(f"the share of {of} is {share}", hint="a share goes from 0 to 1")


def _check_unique(names: Sequence[str], *, hint: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CallError(f"listed more than once: {', '.join(twice)}", hint=hint)
