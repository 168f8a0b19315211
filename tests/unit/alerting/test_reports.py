"""What of a report is worth an alert, and at which rate looks may be wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rung.alerting import WINDOWS, judge_report
from rung.data.profile import Profile
from rung.monitoring import Finding, Report
from rung.monitoring._report import Traffic
from rung.settings import Alerts, Rules

if TYPE_CHECKING:
    from rung.alerting import Sighting

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
YEAR = timedelta(days=365.25)
NOBODY = Traffic(begin=NOW, requests=0, refused=0, failed=0, rows=0, latency_ms={})
EMPTY = Profile(rows=0, columns={})
REPORT = Report(
    revision="housing.v1.m2",
    route="predict",
    since=NOW - timedelta(hours=1),
    until=NOW,
    whole=NOBODY,
    hours=(),
    references={},
    drifts=(),
    segments={},
    measured=(),
    daily=(),
    estimated=None,
    findings=(),
    now=EMPTY,
    before={},
)


def finding(kind: str = "drift", size: float = 0.2, **more: Any) -> Finding:
    told = {"subject": "instance.rooms", "against": "training", "p": 1e-9, "is_alarm": True, "because": "rooms moved"}
    return Finding(**{"kind": kind, "size": size, **told, **more})


def judged(*findings: Finding, requests: int = 0, failed: int = 0, **rules: Any) -> list[Sighting]:
    whole = replace(NOBODY, requests=requests, failed=failed)
    report = replace(REPORT, findings=findings, whole=whole)
    return judge_report(report, WINDOWS[0], Rules(**rules), alpha=1e-6)


def test_alarm_is_a_sighting_of_its_revision():
    (one,) = judged(finding())
    assert (one.about, one.kind, one.severity, one.opens, one.scope) == (
        "housing.v1.m2",
        "drift",
        "warning",
        True,
        "recent",
    )
    assert (one.data["size"], one.data["route"]) == (0.2, "predict")


def test_what_fell_in_quality_is_critical():
    assert judged(finding("quality", subject="sold"))[0].severity == "critical"


@pytest.mark.parametrize(("size", "found"), [(0.08, [False]), (0.06, [])])
def test_drift_that_is_nearly_large_enough_keeps_an_alert_open(size: float, found: list[bool]):
    assert [one.opens for one in judged(finding(size=size, is_alarm=False))] == found


def test_rules_that_are_off_see_nothing():
    assert judged(finding(), off=["drift"]) == []


@pytest.mark.parametrize(("failed", "requests", "found"), [(4, 4, 0), (12, 100, 0), (30, 100, 1), (5, 8, 0), (5, 5, 1)])
def test_too_many_errors_are_surely_too_many(failed: int, requests: int, found: int):
    assert len(judged(failed=failed, requests=requests)) == found


def test_service_sets_how_many_errors_are_too_many():
    assert judged(failed=30, requests=100, error_rate=0.2) == []


@pytest.mark.parametrize("alerts", [Alerts(), Alerts(look_every_s=7_200), Alerts(false_alarms_a_year=12)])
def test_looks_of_all_windows_spend_what_is_stated(alerts: Alerts):
    spent = 0.0
    for window in WINDOWS:
        rate = window.false_alarms(alerts)
        least = timedelta(seconds=alerts.look_every_s)
        spent += rate.alpha * (YEAR / max(window.every or least, least))
    assert spent == pytest.approx(alerts.false_alarms_a_year)
