"""What takes long is made once, beside the requests; sessions and their tickets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from rung.control.api.sessions import SESSION_S, TICKET_S, Credentials, Sessions
from rung.control.dashboard._entrance import back_to, form_of
from rung.control.dashboard._stored import Stored
from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIALS = Credentials(authorization="Bearer x", user="ada")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored(clock: Clock) -> Iterator[Stored]:
    made = Stored(clock=clock)
    yield made
    made.end()


def test_result_is_kept_and_made_anew_when_it_is_old(stored: Stored, clock: Clock):
    values = iter(range(9))
    assert stored.get("a", lambda: next(values), fresh_s=10).value == 0
    assert stored.get("a", lambda: next(values), fresh_s=10).value == 0
    clock.now = 11.0
    is_made = threading.Event()
    assert stored.get("a", lambda: (next(values), is_made.set()), fresh_s=10).value == 0  # the old one, meanwhile
    assert is_made.wait(5)


def test_what_takes_long_is_told_to_be_under_way(stored: Stored):
    go_on = threading.Event()
    found = stored.get("a", lambda: go_on.wait(5), fresh_s=10)
    assert (found.value, found.made) == (None, None)
    go_on.set()


def test_refusal_is_kept_with_its_reason(stored: Stored):
    def refuse() -> None:
        raise ConflictError("there is nothing")

    assert stored.get("a", refuse, fresh_s=10).because == "there is nothing"


def test_ticket_opens_once():
    sessions = Sessions()
    ticket = sessions.ticket(CREDENTIALS)
    assert sessions.redeem(ticket) == CREDENTIALS
    assert sessions.redeem(ticket) is None
    assert sessions.redeem("guessed") is None


def test_ticket_is_void_after_a_minute(clock: Clock):
    sessions = Sessions(clock=clock)
    ticket = sessions.ticket(CREDENTIALS)
    clock.now = TICKET_S
    assert sessions.redeem(ticket) is None


def test_session_is_over_after_half_a_day(clock: Clock):
    sessions = Sessions(clock=clock)
    session = sessions.begin(CREDENTIALS)
    assert sessions.find(session.key) == session
    assert "Bearer x" not in repr(session)
    clock.now = SESSION_S
    assert sessions.find(session.key) is None


def test_session_that_was_left_opens_nothing():
    sessions = Sessions()
    session = sessions.begin(CREDENTIALS)
    sessions.end(session.key)
    assert sessions.find(session.key) is None


@pytest.mark.parametrize(
    "path", ["https://elsewhere.example/ui/", "//elsewhere.example", "/ui/../status", "", "/ui/\\x", "/ui/a\nb"]
)
def test_forms_lead_nowhere_else(path: str):
    assert back_to(path) == "/ui/"


def test_last_field_of_a_name_counts():
    assert form_of(b"because=one&because=it%27s+two&empty=") == {"because": "it's two", "empty": ""}
