"""`rung alerts` and `rung monitor` against a control plane elsewhere."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from platform_api import OWNER, platform_api
from webhooks import Receiver, receiver

from rung.cli import rung
from rung.errors import ConflictError, NotFoundError
from rung.lake import AppendLog, prediction_line
from rung.registry import Alert, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from platform_api import Api

NOW = datetime.now(UTC)
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # a command's connections end with its process


@pytest.fixture(scope="module")
def hooks() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, hooks: Receiver) -> Iterator[Api]:
    settings = f'[alerts.channels.pager]\nurl = "{hooks.url}"\n'
    with platform_api(tmp_path_factory.mktemp("platform") / "shop", settings) as found:
        yield found
        found.platform.loop.watch.close()


@pytest.fixture
def run(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)  # no workspace
    monkeypatch.setenv("RUNG_TOKEN", OWNER)

    def call(*arguments: str) -> str:
        ended = CliRunner().invoke(
            rung, ["--control", api.url, *arguments], standalone_mode=False, catch_exceptions=True
        )
        if ended.exception is not None:
            raise ended.exception
        return ended.output

    return call


def opened(api: Api, subject: str) -> Alert:
    alert = Alert(
        id=0,
        service="housing",
        major=1,
        minor=2,
        kind="drift",
        subject=subject,
        against="training",
        severity="warning",
        because=f"{subject} moved",
        owner="ada",
        suspects=("houses@4 is newer",),
        next="rung monitor housing.v1.m2",
        data={},
        opened=NOW,
        seen=NOW,
        times=1,
    )
    (kept,) = api.platform.registry.keep_steps([Step(what="opened", alert=alert)])
    return kept


def test_alerts_are_listed_for_people_and_programs(api: Api, run: Callable[..., str]):
    assert run("alerts", "reviews") == "no alert is open for reviews\n"
    alert = opened(api, "rooms")
    told = run("alerts", "housing")
    for words in ("warning", "drift of rooms", "suspect: houses@4 is newer", "owner: ada", "next: rung monitor"):
        assert words in told
    assert [one["id"] for one in json.loads(run("alerts", "--json"))] == [alert.id]


def test_people_say_something_of_an_alert(api: Api, run: Callable[..., str]):
    alert = opened(api, "area")
    assert "acknowledged by" in run("alerts", "acknowledge", str(alert.id), "--because", "we look into it")
    assert "silent until" in run("alerts", "silence", str(alert.id), "--for", "6h", "--because", "a holiday")
    closed = json.loads(run("alerts", "close", str(alert.id), "--because", "it is right so", "--json"))
    assert closed["ending"].endswith("it is right so")
    assert "drift of area" not in run("alerts")
    assert "over: closed by" in run("alerts", "--all")
    with pytest.raises(ConflictError, match="was closed"):
        run("alerts", "close", str(alert.id), "--because", "again")
    with pytest.raises(click.MissingParameter):
        run("alerts", "close", str(alert.id))


def test_channels_are_tried(api: Api, run: Callable[..., str], hooks: Receiver):
    with pytest.raises(NotFoundError, match="no channel 'fax'"):
        run("alerts", "test", "fax")
    api.platform.loop.watch.outbox.registry.forget_deliveries(older_than=timedelta(0), now=NOW)
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.1):
            api.platform.loop.watch.outbox.look()

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        assert run("alerts", "test") == "pager: told\n"
    finally:
        over.set()
        teller.join()
    assert hooks.events[-1]["type"] == "rung.alert.test"
    shown = run("alerts", "--channels")
    assert "pager    webhook  http://127.0.0.1" in shown
    assert "s3cret" not in shown


def test_report_comes_from_elsewhere(api: Api, run: Callable[..., str], tmp_path: Path):
    with pytest.raises(NotFoundError, match="housing has answered no production request since"):
        run("monitor", "housing")
    log = AppendLog(api.platform.place.predictions)
    for number in range(300):
        at = NOW - timedelta(hours=2 if number < 150 else 9 * 24, minutes=number % 60)
        log.append(
            prediction_line(
                id=f"p{number}",
                revision="housing.v1.m1",
                time=round(at.timestamp() * 1e6),
                status=200,
                duration_ms=2.0 + number % 7,
                kind="production",
                instances=json.dumps([{"rooms": number % 9 + (5 if number < 150 else 0)}]).encode(),
                predictions=b'[{"price": 1.0}]',
            )
        )
    log.close()
    told = run("monitor", "housing", "--since", "3d")
    assert "housing.v1.m1 predict" in told
    assert "instance.rooms" in told
    page = tmp_path / "report.html"
    (report,) = json.loads(
        run("monitor", "housing.v1", "--since", "3d", "--json", "--html", str(page)).partition("\n")[2]
    )
    assert report["traffic"]["requests"] == 150
    assert "instance.rooms" in page.read_text()
    wrong = api.ask("GET", "/services/housing/monitor?name=reviews.v1")
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "reviews.v1 is nothing of housing")
