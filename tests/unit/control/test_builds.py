"""How long a build that failed is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rung.control.deployment.builds import until_retry

NOW = timedelta(0)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 5), (2, 30), (3, 120), (4, 600), (5, 600), (99, 600)])
def test_waits_longer_each_time(failures: int, seconds: float):
    assert until_retry(failures, since=NOW).total_seconds() == seconds


def test_wait_runs_down():
    assert until_retry(1, since=timedelta(seconds=2)) == timedelta(seconds=3)
    assert until_retry(1, since=timedelta(seconds=5)) == NOW


def test_wait_is_never_negative():
    assert until_retry(4, since=timedelta(days=1)) == NOW
