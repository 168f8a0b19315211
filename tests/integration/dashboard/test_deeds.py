"""What can be done on pages: by whom, with which reason, as which command, and what is refused."""

from __future__ import annotations

import shlex
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import httpx2
import pytest
from browser import DESK, Visitor, visitor
from platform_api import grant

from rung.cli import rung
from rung.control.dashboard._deeds import DEEDS
from rung.lifecycle import State
from rung.registry import Alert, Step
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard_scene import Scene
    from platform_api import Api
    from playwright.sync_api import Browser

WAITING = RevisionName.parse("reviews.v1.m2")


@pytest.fixture(scope="module")
def approver(api: Api, scene: Scene, chromium: Browser) -> Iterator[Visitor]:
    """Somebody else, who comes with a token."""
    context = chromium.new_context(viewport=DESK, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{api.url}/ui/revisions/{WAITING}")
    page.get_by_label("Token").fill(api.token("carol", grant("approver", "reviews")))
    page.get_by_role("button", name="Enter").click()
    yield Visitor(page=page, url=api.url)
    context.close()


def do(somebody: Visitor, title: str, *, because: str = "") -> str:
    """Open a deed, fill it in, do it; give the command that stood beside it."""
    form = somebody.page.locator("details.deed", has=somebody.page.get_by_text(title, exact=True)).first
    form.locator("summary").click()
    if because:
        form.locator("textarea").fill(because)
    command = form.locator(".twin code").inner_text()
    form.locator("form > button").click()
    somebody.page.wait_for_load_state()
    return command


def form_of(api: Api) -> tuple[httpx2.Client, str]:
    """A client that is logged in, and what its forms must send along."""
    client = httpx2.Client(base_url=api.url)
    answer = client.get(api.ask("POST", "/tickets").json()["path"], follow_redirects=True)
    return client, answer.text.partition('name="proof" value="')[2].partition('"')[0]


@pytest.mark.parametrize("name", DEEDS)
def test_command_beside_a_button_is_one(name: str):
    command = DEEDS[name].command.format(
        subject="12" if DEEDS[name].of_alert else "housing.v1.m1", because="why", percent=20
    )
    program, *words = shlex.split(command)
    assert program == "rung"
    context, group = click.Context(rung), rung
    while isinstance(group, click.Group):
        _, found, words = group.resolve_command(context, words)
        assert found is not None
        group = found
    group.make_context("verb", list(words), parent=context)


def test_whoever_deployed_it_cannot_approve(owner: Visitor, scene: Scene):
    owner.open(f"/ui/revisions/{WAITING}")
    command = do(owner, "Approve", because="it's fine")
    assert command == f"rung approve {WAITING} --because 'it'\\''s fine'"
    assert "may not approve reviews.v1.m2" in owner.page.get_by_role("alert").inner_text()
    assert scene.registry.approvals(scene.now(WAITING)) == []
    owner.errors.clear()  # the browser notes that it was refused


def test_token_opens_the_page_that_was_asked_for(approver: Visitor):
    assert approver.page.url.endswith(f"/ui/revisions/{WAITING}")
    assert "token:carol" in approver.page.locator(".who").inner_text()


def test_page_follows_a_promotion(approver: Visitor, owner: Visitor, scene: Scene):
    owner.open(f"/ui/revisions/{WAITING}/promotion")
    approver.open(f"/ui/revisions/{WAITING}")
    do(approver, "Approve", because="it is better for everybody")
    (given,) = scene.registry.approvals(scene.now(WAITING))
    assert (given.actor, given.because) == ("token:carol", "it is better for everybody")
    owner.page.locator(".events").get_by_text("it is better for everybody").wait_for()
    assert owner.errors == []


def test_roles_are_those_of_the_api(api: Api, scene: Scene, chromium: Browser):
    context = chromium.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(f"{api.url}/ui/")
    page.get_by_label("Token").fill(api.token("vera", grant("viewer", "housing")))
    page.get_by_role("button", name="Enter").click()
    assert page.locator("#services tbody tr").count() == 1
    page.goto(f"{api.url}/ui/majors/housing/1/ab")
    assert page.locator(".deed").count() == 0
    assert page.goto(f"{api.url}/ui/services/reviews").status == 403
    assert page.goto(f"{api.url}/ui/services/reviews/contracts").status == 403
    page.goto(f"{api.url}/ui/knowledge?find=failures")
    page.locator(".hits li").first.wait_for()
    assert {one.partition(".")[0] for one in page.locator(".hits a").all_inner_texts()} == {"housing"}
    proof = page.locator("input[name=proof]").first.input_value()
    forged = {"form": {"proof": proof, "subject": "housing.v1", "because": "mine"}}
    assert page.request.post(f"{api.url}/ui/deeds/abort", **forged).status == 403
    context.close()


def test_test_is_paused_resumed_and_aborted(owner: Visitor, scene: Scene):
    owner.open("/ui/majors/housing/1/ab")
    do(owner, "Pause the test", because="the shop is being moved")
    assert "the shop is being moved" in owner.page.locator("main").inner_text()
    do(owner, "Resume the test")
    assert owner.page.locator("summary", has_text="Pause the test").count() == 1
    do(owner, "Abort the test", because="customers complain")
    challenger = scene.registry.revision(RevisionName.parse("housing.v1.m3"))
    assert challenger.state is State.TORN_DOWN
    assert challenger.reason == "A/B test: aborted by tester: customers complain"


def test_candidate_is_torn_down_with_the_reason(owner: Visitor, scene: Scene):
    owner.open("/ui/revisions/tickets.v1.m1")
    command = do(owner, "Tear it down", because="nobody needs it")
    assert command == "rung teardown tickets.v1.m1 --because 'nobody needs it'"
    assert owner.page.locator("h1 + .state").inner_text() == "torn down"
    assert scene.registry.revision(RevisionName.parse("tickets.v1.m1")).reason == "torn down by tester: nobody needs it"


def test_rollback_without_a_predecessor_is_not_offered(owner: Visitor):
    owner.open("/ui/services/reviews")
    assert owner.page.get_by_text("Roll back").count() == 0


def test_alert_is_acknowledged(owner: Visitor, scene: Scene):
    now = datetime.now(UTC)
    alert = Alert(
        id=0,
        service="housing",
        major=1,
        minor=1,
        kind="drift",
        subject="instance.rooms",
        against="training",
        severity="critical",
        because="rooms are distributed otherwise than in training",
        owner="ada",
        suspects=("sales@2 is newer than what it was trained on",),
        next="rung monitor housing.v1",
        data={},
        opened=now,
        seen=now,
        times=3,
    )
    (kept,) = scene.registry.keep_steps([Step(what="opened", alert=alert)])
    owner.open("/ui/")
    assert "rooms are distributed otherwise" in owner.page.locator(".needs").inner_text()
    owner.open("/ui/alerts")
    assert owner.violations() == []
    owner.keep("alerts-open")
    command = do(owner, "Acknowledge", because="we look into it")
    assert command == f"rung alerts acknowledge {kept.id} --because 'we look into it'"
    assert "acknowledged by tester" in owner.page.locator(".needs").inner_text()


def test_forms_need_proof_and_come_from_here(api: Api, scene: Scene):
    client, proof = form_of(api)
    order = {"subject": "tickets.v1.m0", "because": "x"}
    with closing(client):
        assert client.post("/ui/deeds/teardown", data=order).status_code == 403
        assert client.post("/ui/deeds/teardown", data={**order, "proof": "guessed"}).status_code == 403
        elsewhere = {"sec-fetch-site": "cross-site"}
        sent = client.post("/ui/deeds/teardown", data={**order, "proof": proof}, headers=elsewhere)
        assert sent.status_code == 401
    assert scene.registry.revision(RevisionName.parse("tickets.v1.m0")).state is State.CANDIDATE


def test_reason_is_demanded(api: Api, scene: Scene):
    client, proof = form_of(api)
    with closing(client):
        sent = client.post("/ui/deeds/reject", data={"subject": str(WAITING), "proof": proof, "because": "  "})
    assert sent.status_code == 422
    assert "there is no reason" in sent.text


def test_way_works_with_keys_alone(owner: Visitor):
    page = owner.open("/ui/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_theme_is_chosen_and_kept(owner: Visitor):
    page = owner.open("/ui/")
    page.get_by_role("button", name="Dark").press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert owner.violations("color-contrast") == []
    owner.open("/ui/runs")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 29)"
    page.get_by_role("button", name="Light").click()


def test_leaving_ends_the_session(api: Api, scene: Scene, chromium: Browser):
    context = chromium.new_context()
    leaver = visitor(context, api.url, api.ask("POST", "/tickets").json()["path"])
    leaver.page.get_by_role("button", name="Leave").click()
    leaver.page.get_by_label("Token").wait_for()
    assert leaver.page.goto(f"{api.url}/ui/").status == 401
    context.close()
