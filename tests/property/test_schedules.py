"""Schedules in any zone, and notebooks with anything in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rung.errors import CallError
from rung.notebooks import Source
from rung.schedule import Schedule

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds
SHIFT = timedelta(hours=1)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_OUTPUT = st.dictionaries(st.sampled_from(["output_type", "text", "data", "ename", "traceback"]), _JSON)
_CELL = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown"]), "source": st.text() | st.lists(st.text())},
    optional={"metadata": _JSON, "outputs": st.lists(_OUTPUT | _JSON), "id": _JSON},
)


@given(INSTANTS, st.sampled_from(ZONES), st.integers(0, 59), st.integers(0, 23))
def test_daily_instants_follow_each_other_and_fall_on_their_minute(
    instant: datetime, zone: str, minute: int, hour: int
):
    schedule = Schedule(cron=f"{minute} {hour} * * *", zone=zone)
    following = schedule.after(instant)
    again = schedule.after(following)
    assert instant < following < again
    assert timedelta(hours=22) <= again - following <= timedelta(hours=26)
    local = following.astimezone(ZoneInfo(zone))
    offsets = {(following + shift).astimezone(ZoneInfo(zone)).utcoffset() for shift in (-SHIFT, SHIFT)}
    assert (local.hour, local.minute) == (hour, minute) or len(offsets) == 2


@given(INSTANTS, st.sampled_from(ZONES), st.text("0123456789*/,-LW# MON", max_size=20))
def test_what_is_written_is_a_schedule_or_refused(instant: datetime, zone: str, cron: str):
    try:
        schedule = Schedule(cron=cron, zone=zone)
    except CallError:
        return
    assert schedule.after(instant) > instant


@given(st.lists(_CELL, max_size=3) | _JSON)
def test_notebook_is_read_or_refused(cells: object):
    try:
        read = Source.parse(json.dumps({"nbformat": 4, "cells": cells}).encode(), name="any")
    except CallError:
        return
    assert read.digest.startswith("sha256:")
    assert isinstance(read.parameters, dict)
    assert all(isinstance(cell.text, str) for cell in read.cells)
