"""The pages: each a module that reads and gives a value, and a template that shows it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from rung.control.dashboard.pages import (
    ab,
    alerts,
    audit,
    contracts,
    data,
    knowledge,
    monitoring,
    notebooks,
    overview,
    promotion,
    revision,
    runs,
    service,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.control.dashboard._visit import Page, Visit

__all__ = ["PAGES", "REPORTS"]

PAGES: Mapping[str, Callable[[Visit], Page]] = MappingProxyType(
    {
        "/": overview.page,
        "/services/{service}": service.page,
        "/majors/{service}/{major}/ab": ab.page,
        "/revisions/{name}": revision.page,
        "/revisions/{name}/promotion": promotion.page,
        "/revisions/{name}/card": revision.card,
        "/services/{service}/monitoring": monitoring.page,
        "/services/{service}/contracts": contracts.page,
        "/runs": runs.listing,
        "/runs/compare": runs.compare,
        "/runs/{run}": runs.page,
        "/data": data.listing,
        "/data/{dataset}": data.page,
        "/alerts": alerts.page,
        "/notebooks": notebooks.page,
        "/knowledge": knowledge.page,
        "/audit": audit.page,
    }
)
"""By path below `/ui`."""

REPORTS: Mapping[str, Callable[[Visit], str]] = MappingProxyType(
    {
        "/services/{service}/monitoring/report": monitoring.report,
        "/data/{dataset}/statistics": data.report,
        "/notebooks/{run}": notebooks.report,
    }
)
"""Pages that stand for themselves, by path."""
