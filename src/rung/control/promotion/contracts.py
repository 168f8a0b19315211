"""Contracts of consumers: registered against what a major promises now, and held by every promotion of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from rung._http import verify
from rung.errors import ConflictError, NotFoundError
from rung.lifecycle import judge_contracts
from rung.registry._contracts import MADE
from rung.schema import ABSENT, ConsumerContract, Contract, pointer_of, types_at
from rung.serving import read_bundle
from rung.testing.contracts import hold_contracts, with_declared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.control.place import Place
    from rung.gateway import Gateway
    from rung.registry import Registry
    from rung.schema import ConsumerRequest, RevisionName

_LARGEST = 1 << 18
"""Bytes of the recorded requests of one contract: they are on record for ever."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """What consumers rely on."""

    place: Place
    registry: Registry
    gateway: Gateway

    def add(
        self,
        service: str,
        major: int,
        *,
        consumer: str,
        requests: Sequence[ConsumerRequest],
        reads: Sequence[str],
        because: str,
        actor: str,
    ) -> ConsumerContract:
        """Register what a consumer relies on; it takes the place of what it had registered before.

        Args:
            service: Its service.
            major: Of the service.
            consumer: Its name.
            requests: As it sends them.
            reads: Fields of a prediction that it reads, as JSON pointers.
            because: Why, in a sentence.
            actor: Who registers it.

        Raises:
            NotFoundError: The major has no trained revision, or its predictions no such field.
            ConflictError: The incumbent does not keep it today, or it is too large.
        """
        size = sum(len(request.model_dump_json()) for request in requests)
        if size > _LARGEST:
            raise ConflictError(
                f"the recorded requests are {size:,} bytes, and at most {_LARGEST:,} are kept",
                hint="record fewer or smaller ones: one of each kind",
            )
        name = self._promising(service, major)
        schema = Contract.from_json(read_bundle(self.place.workspace.state, str(name)).contract)
        routes = {request.route for request in requests}
        places = {pointer_of(field): _types(schema, routes, pointer_of(field), name) for field in reads}
        if self.registry.incumbent(service, major) == name:
            self._hold(
                name, schema, ConsumerContract(consumer=consumer, version=0, requests=tuple(requests), reads=places)
            )
        return self.registry.add_contract(
            f"{service}.v{major}", consumer, requests=requests, reads=places, because=because, actor=actor
        )

    def listed(self, service: str) -> list[dict[str, Any]]:
        """Tell of the contracts with a service that hold, by major and consumer."""
        last = {(event.subject, event.data["consumer"]): event for event in self.registry.contract_events(service)}
        return [
            {
                **event.data,
                "major": major,
                "since": event.time.isoformat(),
                "actor": event.actor,
                "because": event.because,
            }
            for (major, _), event in sorted(last.items())
            if event.kind == MADE
        ]

    def plan(self, name: RevisionName) -> dict[str, Any]:
        """Give what a job is to hold a candidate against: all `contracts` with its major."""
        found = self.registry.contracts(name.service, name.major)
        return {"contracts": [one.model_dump(mode="json") for one in found]}

    def declared(self, name: RevisionName, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Add to a job's figures what the candidate's schema allows at each place that is read."""
        schema = Contract.from_json(read_bundle(self.place.workspace.state, str(name)).contract)
        return [with_declared(one, schema) for one in found]

    def _promising(self, service: str, major: int) -> RevisionName:
        """Name the revision whose schema the major promises: the incumbent, else the newest that was trained."""
        incumbent = self.registry.incumbent(service, major)
        if incumbent is not None:
            return incumbent
        for revision in reversed(self.registry.revisions(service, major)):
            if (self.place.revision(revision.name) / "bundle.json").is_file():
                return revision.name
        raise NotFoundError(
            f"{service}.v{major} has no trained revision, so it promises nothing yet",
            hint=f"`rung deploy training {service}` makes one",
        )

    def _hold(self, name: RevisionName, schema: Contract, contract: ConsumerContract) -> None:
        """Refuse a contract that the incumbent itself does not keep.

        Raises:
            ConflictError: It does not.
        """
        url = f"{self.gateway.door()}/{name.service}/v{name.major}/m{name.minor}"
        with httpx2.Client(base_url=url, verify=verify(url)) as client:
            figures = hold_contracts([contract], client)
        (finding,) = judge_contracts([with_declared(one, schema) for one in figures])
        if finding.broken:
            raise ConflictError(
                f"{name}, the incumbent, does not keep it: {'; '.join(finding.broken)}",
                hint="register what is answered today; mend the requests, or the fields that are read",
            )


def _types(schema: Contract, routes: set[str], place: str, name: RevisionName) -> tuple[str, ...]:
    if unknown := sorted(routes - schema.routes.keys()):
        raise NotFoundError(
            f"{name} has no route {unknown[0]!r}", hint=f"the routes are {', '.join(sorted(schema.routes))}"
        )
    found: frozenset[str] = frozenset()
    for route in sorted(routes):
        prediction = schema.routes[route].prediction
        types = types_at(prediction, place)
        if types == {ABSENT}:
            fields = ", ".join(sorted(prediction.get("properties", {})))
            raise NotFoundError(f"a prediction of {name} has no {place} on {route}", hint=f"its fields are {fields}")
        found |= types
    return tuple(sorted(found))
