"""A revision taken through its life with a browser alone, on a platform that trains, serves and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tiny_service
from browser import DESK, browser, visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser import Visitor
    from live_platform import LivePlatform


@pytest.fixture(scope="module")
def owner(platform: LivePlatform) -> Iterator[Visitor]:
    with browser() as launched:
        context = launched.new_context(viewport=DESK, reduced_motion="reduce")
        url = platform.ask("dashboard")["url"]
        base, _, ticket = url.partition("/ui/")
        yield visitor(context, base, f"/ui/{ticket}")
        context.close()


def do(owner: Visitor, title: str, *, because: str = "") -> None:
    form = owner.page.locator("details.deed", has=owner.page.get_by_text(title, exact=True)).first
    form.locator("summary").click()
    if because:
        form.locator("textarea").fill(because)
    with owner.page.expect_navigation():
        form.locator("form > button").click()
    assert owner.page.locator("p.refusal[role=alert]").all_inner_texts() == []


def test_revision_is_trained_served_promoted_and_torn_down(platform: LivePlatform, owner: Visitor):
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 2.0")
    tiny_service.document(platform.root, 2)
    platform.commit()
    owner.open("/ui/services/tiny")
    do(owner, "Train the next revision")
    platform.wait(lambda: platform.revision("tiny.v1.m2")["state"] == "trained")
    owner.open("/ui/revisions/tiny.v1.m2")
    do(owner, "Serve it")
    platform.wait(lambda: platform.revision("tiny.v1.m2")["state"] == "candidate")
    owner.open("/ui/revisions/tiny.v1.m2/promotion")
    do(owner, "Mirror production to it")
    assert platform.ask("shadow", "tiny.v1.m2")["share"] == pytest.approx(0.2)
    owner.open("/ui/revisions/tiny.v1.m2")
    owner.page.get_by_role("region", name="As a shadow").get_by_text("20%").wait_for()  # it looks again by itself
    owner.open("/ui/revisions/tiny.v1.m2/promotion")
    do(owner, "Promote it")
    owner.page.locator(".step").get_by_text("all 1 regression tests passed").wait_for(timeout=60_000)
    do(owner, "Tear it down", because="seen enough")
    assert owner.page.locator("h1 + .state").inner_text() == "torn down"
    do(owner, "Revive it")
    assert platform.revision("tiny.v1.m2")["state"] == "candidate"
    assert owner.errors == []


def test_pages_of_what_was_served_are_sound(owner: Visitor):
    for path in ("/ui/revisions/tiny.v1.m1", "/ui/services/tiny", "/ui/services/tiny/monitoring", "/ui/runs"):
        owner.open(path)
        assert owner.violations() == []
    owner.open("/ui/revisions/tiny.v1.m1")
    owner.page.get_by_text("Latencies").click()
    assert owner.page.locator("svg.chart").count() == 1
    owner.keep("revision-live")


def test_platform_stops_although_a_page_follows(platform: LivePlatform, owner: Visitor):
    owner.open("/ui/revisions/tiny.v1.m2/promotion")
    platform.rung("down", timeout_s=30)
