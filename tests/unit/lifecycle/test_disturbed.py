from __future__ import annotations

import pytest

from rung.lifecycle import was_disturbed


@pytest.mark.parametrize(("late_ms", "disturbed"), [(None, False), (1.3, False), (10.0, False), (37.0, True)], ids=str)
def test_late_sender_tells_a_busy_machine(late_ms: float | None, disturbed: bool):
    assert was_disturbed({"open": {"sent_late_p99_ms": late_ms}}) is disturbed
