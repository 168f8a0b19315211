"""`rung monitor` in a workspace with a lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rung.cli.monitor import command
from rung.errors import CallError, NotFoundError
from rung.lake import AppendLog, prediction_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rung.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    log = AppendLog(tmp_path / ".rung" / "lake" / "log")
    now = datetime.now(UTC)
    for number in range(400):
        at = now - timedelta(hours=20 if number < 200 else 9 * 24, minutes=number % 200)
        log.append(
            prediction_line(
                id=f"p{number}",
                revision="housing.v1.m1",
                time=round(at.timestamp() * 1e6),
                status=200,
                duration_ms=2.0 + number % 7,
                kind="production",
                instances=json.dumps([{"rooms": number % 9 + (5 if number < 200 else 0)}]).encode(),
                predictions=b'[{"price": 1.0}]',
            )
        )
    log.close()
    return tmp_path


def run(*arguments: str) -> str:
    found = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_terminal_shows_what_moved(workspace: Path):
    told = run("housing", "--since", "3d")
    assert "housing.v1.m1 predict" in told
    assert "200  0 failed  0 refused" in told
    assert "instance.rooms" in told
    assert "against the week before" in told


def test_json_is_for_programs(workspace: Path):
    (report,) = json.loads(run("housing.v1", "--json", "--since", "3d"))
    assert report["traffic"]["requests"] == 200
    assert {found["subject"] for found in report["findings"] if found["is_alarm"]} == {"instance.rooms"}


def test_page_is_written(workspace: Path):
    run("housing.v1.m1", "--html", "page.html")
    assert "housing.v1.m1 predict" in (workspace / "page.html").read_text()


def test_service_without_requests_is_not_found(workspace: Path):
    with pytest.raises(NotFoundError, match="mills has answered no production request"):
        run("mills")


def test_name_that_cannot_be_is_refused(workspace: Path):
    with pytest.raises(CallError, match="cannot name a service"):
        run("../etc")
