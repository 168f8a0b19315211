"""What is sent when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rung.control.alerts.outbox import again_after, ready
from rung.registry import Delivery

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def delivery(identity: str, alert: int | None, channel: str = "mail", wait_s: float = 0) -> Delivery:
    return Delivery(
        id=identity,
        alert=alert,
        channel=channel,
        what="opened",
        body={},
        made=NOW,
        due=NOW + timedelta(seconds=wait_s),
        attempts=0,
        error="",
        sent=None,
        given_up=None,
    )


def sent(*waiting: Delivery) -> list[str]:
    return [one.id for one in ready(waiting, NOW)]


def test_what_is_due_is_sent():
    assert sent(delivery("a", 1), delivery("b", 2, wait_s=5)) == ["a"]


def test_end_of_an_alert_is_not_told_before_its_begin():
    assert sent(delivery("a", 1, wait_s=5), delivery("b", 1), delivery("c", 2)) == ["c"]


def test_channels_do_not_wait_for_each_other():
    assert sent(delivery("a", 1, wait_s=5), delivery("b", 1, channel="slack")) == ["b"]


def test_tests_wait_for_nothing():
    assert sent(delivery("a", None, wait_s=5), delivery("b", None)) == ["b"]


def test_tries_become_rarer():
    waits = [again_after(tries) for tries in range(15)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=1)
