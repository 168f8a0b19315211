"""The API's routes about the contracts of consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rung.control.api.door import Asker  # noqa: TC001  FastAPI resolves it at run time
from rung.control.api.parameters import Major, ServiceName  # noqa: TC001  as above
from rung.schema import ConsumerRequest

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform

_Consumer = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_MOST = 200


class NewContract(BaseModel):
    """What a consumer relies on."""

    model_config = ConfigDict(extra="forbid")

    consumer: _Consumer
    requests: Annotated[list[ConsumerRequest], Field(min_length=1, max_length=_MOST)]
    reads: Annotated[list[str], Field(min_length=1, max_length=_MOST)]
    """Fields of a prediction, as JSON pointers."""
    because: Annotated[str, Field(max_length=2_000)] = ""


class ContractRemoved(BaseModel):
    """Why a contract holds no more."""

    model_config = ConfigDict(extra="forbid")

    because: Annotated[str, Field(min_length=1, max_length=2_000)]


def add_contracts(router: APIRouter, platform: Platform) -> None:
    """Add the routes about contracts to the API."""
    contracts = platform.promotions.gates.contracts

    @router.get("/services/{service}/contracts")
    def listed(service: ServiceName) -> list[dict[str, Any]]:
        """Give the contracts that hold, by major and consumer."""
        return contracts.listed(service)

    @router.post("/majors/{service}/{major}/contracts", status_code=201)
    def add(service: ServiceName, major: Major, order: NewContract, actor: Asker) -> dict[str, Any]:
        """Register what a consumer relies on; it holds from now on, at every promotion."""
        made = contracts.add(
            service,
            major,
            consumer=order.consumer,
            requests=order.requests,
            reads=order.reads,
            because=order.because or f"registered for {order.consumer}",
            actor=str(actor),
        )
        return {**made.model_dump(mode="json"), "major": f"{service}.v{major}"}

    @router.post("/majors/{service}/{major}/contracts/{consumer}/removal")
    def remove(  # noqa: PLR0917  FastAPI passes them by name
        service: ServiceName, major: Major, consumer: _Consumer, order: ContractRemoved, actor: Asker
    ) -> list[dict[str, Any]]:
        """Let a contract hold no more; what it said stays on record."""
        subject = f"{service}.v{major}"
        platform.registry.remove_contract(subject, consumer, because=order.because, actor=str(actor))
        return contracts.listed(service)
