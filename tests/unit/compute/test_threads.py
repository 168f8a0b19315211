"""How numerical libraries use processors that others need, too."""

from __future__ import annotations

import os

import pytest

from rung.compute.threads import share_processors, thread_limits


def test_every_library_is_held_to_what_was_asked_for():
    told = thread_limits(3)
    assert {told[name] for name in told if name.endswith("_THREADS")} == {"3"}
    assert int(told["GOMP_SPINCOUNT"]) == 1000


def test_threads_of_a_terminal_wait_asleep(monkeypatch: pytest.MonkeyPatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    share_processors()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("said", [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "active")])
def test_who_said_how_threads_wait_is_obeyed(said: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv(*said)
    before = dict(os.environ)
    share_processors()
    assert dict(os.environ) == before
