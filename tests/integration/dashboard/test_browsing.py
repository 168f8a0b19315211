"""Every page in a real browser: nothing wrong in the console, nothing from elsewhere, no violation of WCAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import DESK, PHONE

if TYPE_CHECKING:
    from browser import Visitor

PAGES = {
    "services": "/ui/",
    "service": "/ui/services/housing",
    "revision": "/ui/revisions/housing.v1.m1",
    "revision-rejected": "/ui/revisions/housing.v1.m2",
    "revision-waits": "/ui/revisions/reviews.v1.m2",
    "promotion": "/ui/revisions/housing.v1.m3/promotion",
    "promotion-none": "/ui/revisions/tickets.v1.m1/promotion",
    "card": "/ui/revisions/housing.v1.m1/card",
    "ab": "/ui/majors/housing/1/ab",
    "ab-invalid": "/ui/majors/quotes/1/ab",
    "ab-none": "/ui/majors/tickets/1/ab",
    "runs": "/ui/runs",
    "run": "/ui/runs/housing.v1.m1",
    "run-of-classes": "/ui/runs/reviews.v1.m1",
    "compare": "/ui/runs/compare?" + "&".join(f"run=housing-20261120-09{depth:02}00-a1b2c3d" for depth in (2, 4, 6)),
    "data": "/ui/data",
    "dataset": "/ui/data/sales",
    "monitoring": "/ui/services/housing/monitoring",
    "alerts": "/ui/alerts",
    "notebooks": "/ui/notebooks",
    "notebooks-found": "/ui/notebooks?find=residuals",
    "audit": "/ui/audit",
    "audit-of-service": "/ui/audit?service=housing&kind=verdict",
}

DRAWN = {"services", "service", "promotion", "ab", "run-of-classes", "alerts"}
"""Of which pictures in the dark and of a phone are kept, too."""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(owner: Visitor, name: str):
    owner.page.set_viewport_size(DESK)
    owner.open(PAGES[name])
    assert owner.page.locator("h1").count() == 1
    assert owner.violations() == []
    owner.keep(name)
    owner.page.emulate_media(color_scheme="dark")
    assert owner.violations("color-contrast") == []
    if name in DRAWN:
        owner.keep(f"{name}-dark")
    owner.page.emulate_media(color_scheme="light")
    owner.page.set_viewport_size(PHONE)
    assert owner.width() <= PHONE["width"]
    if name in DRAWN:
        owner.keep(f"{name}-phone")
    assert owner.errors == []
    assert owner.strangers == []
