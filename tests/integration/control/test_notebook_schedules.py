"""Schedules of notebooks through the API: who may declare them, and what is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from notebook_cells import notebook
from platform_api import grant, platform_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

PATH = "/services/tiny/notebooks/look/schedule"
ORDER = {"cron": "0 6 * * 1", "zone": "Europe/Berlin", "parameters": {"n": 3}, "because": "each Monday"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    folder = tmp_path / "shop" / "experiments" / "tiny"
    for part in ("schema", "notebooks"):
        (folder / part).mkdir(parents=True)
    (folder / "notebooks" / "look.ipynb").write_bytes(notebook("# parameters\nn = 1"))
    with platform_api(tmp_path / "shop") as found:
        yield found


def test_declared_schedule_is_told_until_it_is_removed(api: Api):
    engineer = api.token("ada", grant("engineer", "tiny"))
    declared = api.ask("POST", PATH, engineer, json=ORDER).json()
    assert declared["next"][11:16] in {"04:00", "05:00"}  # six in Berlin
    (told,) = api.ask("GET", "/notebooks/schedules", engineer).json()
    assert (told["notebook"], told["actor"], told["parameters"]) == ("tiny/look", "token:ada", {"n": 3})
    assert api.ask("GET", "/audit?service=tiny").json()[0]["because"] == "each Monday"
    assert api.ask("POST", f"{PATH}/removal", engineer, json={}).status_code == 200
    assert api.ask("GET", "/notebooks/schedules").json() == []
    assert api.ask("POST", f"{PATH}/removal", engineer, json={}).status_code == 404


def test_whoever_may_only_look_declares_nothing(api: Api):
    viewer, other = api.token("vera", grant("viewer", "tiny")), api.token("otto", grant("engineer", "other"))
    for token in (viewer, other):
        assert api.ask("POST", PATH, token, json=ORDER).status_code == 403
        assert api.ask("POST", f"{PATH}/removal", token, json={}).status_code == 403
    api.ask("POST", PATH, json=ORDER)
    assert api.ask("GET", "/notebooks/schedules", other).json() == []
    assert len(api.ask("GET", "/notebooks/schedules", viewer).json()) == 1


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"cron": "0 25 * * 1"}, 422, "has '25' as hour"),
        ({"zone": "Mars/Olympus"}, 422, "there is no time zone"),
        ({"parameters": {"m": 1}}, 422, "no parameter 'm'"),
        ({"time_limit_s": 0}, 422, "not right"),
    ],
)
def test_order_that_is_wrong_is_refused(api: Api, change: dict, status: int, told: str):
    answer = api.ask("POST", PATH, json=ORDER | change)
    assert answer.status_code == status
    assert told in answer.json()["detail"]
