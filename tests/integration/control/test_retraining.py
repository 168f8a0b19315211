"""`rung retrain`: the next revision from the incumbent's code, whatever the working tree holds by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tiny_service
from tiny_platform import platform as platform  # noqa: PLC0414  the fixture

if TYPE_CHECKING:
    from live_platform import LivePlatform


def test_incumbent_is_trained_anew_and_served(platform: LivePlatform):
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 9.0")  # nobody has committed it

    told = platform.rung("retrain", "tiny", "--because", "newer numbers").stdout

    found = platform.revision("tiny.v1.m2")
    assert "`rung promote tiny.v1.m2`" in told
    assert found["state"] == "candidate"
    assert found["origin"] == {
        "of": "tiny.v1.m1",
        "code": "tiny.v1.m1",
        "trigger": "asked",
        "causes": [],
        "because": "newer numbers",
    }
    before, after = (platform.api(f"/revisions/tiny.v1.m{minor}").json() for minor in (1, 2))
    assert after["commit"] == before["commit"]
    runs = [platform.ask("runs", "show", f"tiny.v1.m{minor}") for minor in (1, 2)]
    assert [run["hyperparameters"]["slope"] for run in runs] == [1.0, 1.0]
    assert {task["state"] for task in runs[1]["tasks"]} == {"ran"}


def test_one_on_its_way_is_waited_for(platform: LivePlatform):
    refused = platform.rung("retrain", "tiny.v1", expect=2)
    assert "tiny.v1.m2, which was retrained, is candidate" in refused.stderr


def test_promotion_takes_the_document_that_the_code_was_written_for(platform: LivePlatform):
    attempt = platform.api("/revisions/tiny.v1.m2/promotions", method="POST", json={"ignore_plan": True})
    assert attempt.status_code == 201, attempt.text
    platform.rung("teardown", "tiny.v1.m2")


def test_settings_begin_one_by_themselves(platform: LivePlatform):
    settings = platform.root / "rung.toml"
    schedule = '[services.tiny.retraining]\nschedule = "* * * * *"\ncool_down_s = 0\nat_most = 1\n'
    settings.write_text(f"{settings.read_text()}\n{schedule}")

    platform.wait(lambda: platform.states().get("tiny.v1.m3") == "candidate", within_s=120)

    origin = platform.revision("tiny.v1.m3")["origin"]
    assert origin["trigger"] == "schedule"
    assert origin["because"].startswith("the schedule '* * * * *' came round at ")
    refused = platform.rung("retrain", "nothing", expect=2)
    assert "nothing has no incumbent" in refused.stderr
