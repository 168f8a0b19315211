from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from rung.errors import CallError
from rung.schedule import Schedule

BERLIN = "Europe/Berlin"


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_next_monday_at_six_follows():
    assert Schedule(cron="0 6 * * 1").after(at(11, 22, 1)) == at(11, 23, 6)


def test_instant_of_the_schedule_is_followed_by_the_next_one():
    assert Schedule(cron="0 6 * * 1").after(at(11, 23, 6)) == at(11, 30, 6)


def test_fields_are_meant_in_the_zone():
    assert Schedule(cron="0 6 * * *", zone="Asia/Kolkata").after(at(11, 22, 1)) == at(11, 23, 0, 30)


def test_what_falls_into_the_hour_left_out_comes_right_after_it():
    assert Schedule(cron="30 2 * * *", zone=BERLIN).after(at(3, 28, 12)) == at(3, 29, 1)


def test_what_falls_into_the_hour_that_comes_twice_comes_once():
    schedule = Schedule(cron="45 2 * * *", zone=BERLIN)
    first = schedule.after(at(10, 24, 12))
    assert first == at(10, 25, 0, 45)
    assert schedule.after(first) == schedule.after(at(10, 25, 1, 30)) == at(10, 26, 1, 45)


def test_every_half_hour_goes_by_elapsed_time():
    schedule, instants = Schedule(cron="*/30 * * * *", zone=BERLIN), [at(10, 24, 23)]
    for _ in range(8):
        instants.append(schedule.after(instants[-1]))
    assert {later - earlier for earlier, later in itertools.pairwise(instants)} == {timedelta(minutes=30)}


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("0 25 * * 1", "UTC", "has '25' as hour"),
        ("6 o'clock", "UTC", "has 2 fields"),
        ("0 0 6 * * 1", "UTC", "has 6 fields"),
        ("0 0 30 2 *", "UTC", "has '30' as day-of-month"),
        ("0 6 * * 1", "Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        ("0 6 * * 1", "../passwd", "there is no time zone"),
        ("0 6 * * 1", "", "there is no time zone ''"),
    ],
)
def test_what_is_no_schedule_is_refused(cron: str, zone: str, said: str):
    with pytest.raises(CallError, match=said):
        Schedule(cron=cron, zone=zone)
