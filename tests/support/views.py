"""What `rung status` tells, asked of a registry without a running control plane."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from rung.control._edge import gateway_of
from rung.control._usage import Usage
from rung.control._view import View
from rung.control.gateways import Gateways

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.registry import Registry


def view_of(place: Place, registry: Registry) -> View:
    settings = place.workspace.settings()
    gateways = Gateways(registry=registry, own=gateway_of(place, settings, port=4780, guard=nullcontext))
    usage = Usage(folder=place.usage, registry=registry, gateways=gateways)
    return View(registry=registry, gateway_url="", usage=usage, settings=settings)
