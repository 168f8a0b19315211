"""Every page in a real browser: nothing wrong in the console, nothing from elsewhere, no violation of WCAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import DESK, PHONE
from playwright.sync_api import expect

from rung.lake import _ship

if TYPE_CHECKING:
    from browser import Visitor
    from platform_api import Api

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
    "contracts": "/ui/services/housing/contracts",
    "contracts-none": "/ui/services/tickets/contracts",
    "knowledge": "/ui/knowledge",
    "knowledge-found": "/ui/knowledge?find=late+outcomes",
    "alerts": "/ui/alerts",
    "notebooks": "/ui/notebooks",
    "notebooks-found": "/ui/notebooks?find=residuals",
    "audit": "/ui/audit",
    "audit-of-service": "/ui/audit?service=housing&kind=verdict",
}

_PLACE = "document.getElementById('reviews-v1').getBoundingClientRect().top"
"""Where on the screen somebody reads."""

DRAWN = {
    "services",
    "service",
    "promotion",
    "ab",
    "run-of-classes",
    "alerts",
    "monitoring",
    "contracts",
    "knowledge-found",
}
"""Of which pictures in the dark and of a phone are kept, too."""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(owner: Visitor, name: str):
    owner.page.set_viewport_size(DESK)
    owner.open(PAGES[name])
    expect(owner.page.locator("[data-again]")).to_have_count(0, timeout=30_000)  # what takes long is there
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


def test_monitoring_shows_what_production_sends(owner: Visitor):
    shown = owner.open(PAGES["monitoring"]).locator("main")
    expect(shown.locator("h2")).to_have_count(2, timeout=30_000)  # it is made when it is first asked for
    expect(shown.get_by_role("rowheader", name="instance.rooms").first).to_be_visible()
    assert "converted, measured" in shown.inner_text()


def test_contracts_say_whether_they_were_kept(owner: Visitor):
    shown = owner.open(PAGES["contracts"]).locator("main").inner_text()
    assert "kept by housing.v1.m3" in shown
    assert "no promotion has looked yet" in shown  # at the webshop's
    assert "In the specification, with nothing registered\nvaluation desk" in shown


def test_revision_shows_the_specification_that_it_was_made_with(owner: Visitor):
    shown = {}
    for name, promise in {"housing.v1.m1": "would fetch.", "housing.v1.m3": "would fetch in May."}.items():
        owner.open(f"/ui/revisions/{name}/promotion").get_by_role("link", name="Specification").click()
        section = owner.page.get_by_role("region", name="Specification")
        section.get_by_text("Problem").click()
        expect(section.locator("details").first).to_contain_text(promise)
        shown[name] = section.locator("code").first.get_attribute("title")
    assert shown["housing.v1.m1"] != shown["housing.v1.m3"]
    assert all((digest or "").startswith("sha256:") for digest in shown.values())


def test_lessons_are_found_in_all_services(owner: Visitor):
    found = owner.open(PAGES["knowledge-found"]).locator(".hits li")
    expect(found.first).to_contain_text("Late outcomes are those of dear houses")
    assert "rung knowledge search 'late outcomes'" in owner.page.locator("main").inner_text()
    lessons = owner.open(PAGES["knowledge"]).locator("article")
    expect(lessons.first).to_contain_text("housing.v1.m1")
    expect(lessons.first).to_contain_text("<script>alert(1)</script>")


def test_what_tasks_reported_is_drawn(owner: Visitor):
    curve = owner.open(PAGES["run"]).get_by_role("region", name="Learning curve of build_model housing.v1.m1")
    expect(curve).to_contain_text("lowest 0.030303 at step 29")
    curves = owner.open(PAGES["compare"]).get_by_role("region", name="Learning curve of build_model")
    expect(curves.locator("path.curve")).to_have_count(3)


def test_runs_lead_to_mlflow(owner: Visitor):
    link = owner.open("/ui/runs").get_by_role("link", name="MLflow")
    assert link.get_attribute("href") == "https://mlflow.example.org"


def test_part_that_takes_long_comes_without_the_page_being_loaded_again(owner: Visitor, api: Api):
    owner.page.set_viewport_size({"width": 800, "height": 400})
    with _ship.locked(api.platform.lake.logs):  # what monitoring reads is not there as long as another one ships
        page = owner.open("/ui/services/reviews")
        metrics = page.locator("#business-1")
        assert metrics.locator("[data-again]").count() == 1
        page.get_by_text("Train the next revision", exact=True).click()
        page.evaluate("document.getElementById('reviews-v1').scrollIntoView(); document.marked = true")
        place = page.evaluate(_PLACE)
        asked = page.wait_for_event("response", lambda one: one.url.endswith("/services/reviews"))
        assert asked.status == 200
        assert metrics.locator("[data-again]").count() == 1
    metrics.locator(".asof, .empty").first.wait_for()
    metrics.locator("[data-again]").wait_for(state="detached")
    assert page.evaluate("document.marked") is True
    expect(page.get_by_text("All steps")).to_have_count(1)  # what is above came, too
    assert page.evaluate(_PLACE) == pytest.approx(place, abs=2)
    assert page.locator("details[open]", has_text="Train the next revision").count() == 1
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert owner.errors == []
