"""The lease under random clocks, freezes and late writes: never two that write with effect, and never nobody for ever.

Control planes are modelled as what each of them believes; the database as one row and a clock that jumps. A frozen one
does nothing, and when it goes on it still believes what it believed: then it writes, renews, and gives back.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rung.registry import Lease
from rung.registry import _lease as lease

TTL_S = 10.0
HOLDERS = st.sampled_from("abc")


class Leaders(RuleBasedStateMachine):
    @initialize(start=st.floats(0, 2e9))
    def begin(self, start: float) -> None:
        self.now = start
        self.row: Lease | None = None
        self.believed: dict[str, int] = {}
        self.dead: set[int] = set()
        self.written: list[int] = []
        self.tokens: list[int] = []

    # --- the clock of the database ---

    @rule(seconds=st.floats(0, 3 * TTL_S))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.floats(-1e6, 1e6))
    def clock_is_set(self, seconds: float) -> None:
        self.now += seconds

    # --- control planes ---

    def take(self, holder: str, *, dead: int | None = None, stands_by: bool = False) -> bool:
        wanted = Lease(token=1, holder=holder, place="/state", expires=0.0, ttl_s=TTL_S)
        taken = lease.take(self.row, wanted, self.now, dead=dead, stands_by=stands_by)
        if taken is None:
            return False
        self.row = taken
        self.believed[holder] = taken.token
        self.tokens.append(taken.token)
        return True

    @rule(holder=HOLDERS)
    def one_tries_to_lead(self, holder: str) -> None:
        was_held = lease.is_held(self.row, self.now)
        assert self.take(holder) is not was_held

    @rule(holder=HOLDERS)
    def one_that_stood_by_tries(self, holder: str) -> None:
        """It goes on for a leader that is gone, and does not begin anew after one that ended the platform."""
        is_free = not lease.is_held(self.row, self.now) and not (self.row is not None and self.row.is_released)
        assert self.take(holder, stands_by=True) is is_free

    @rule(holder=HOLDERS)
    def one_renews(self, holder: str) -> None:
        """However late it comes: a freeze is nothing else than that. What was given back stays free."""
        if self.leads(holder):
            self.row = lease.renew(self.row, self.now)
            assert lease.is_held(self.row, self.now) is not self.row.is_released

    @rule(holder=HOLDERS)
    def one_writes(self, holder: str) -> None:
        if self.leads(holder):
            self.written.append(self.believed[holder])

    @rule(holder=HOLDERS)
    def one_ends_the_platform(self, holder: str) -> None:
        if self.leads(holder):
            self.row = lease.release(self.row)
            assert not lease.is_held(self.row, self.now)

    @rule(holder=HOLDERS)
    def one_dies(self, holder: str) -> None:
        token = self.believed.pop(holder, None)
        if token is not None:
            self.dead.add(token)

    @precondition(lambda self: self.dead)
    @rule(holder=HOLDERS, data=st.data())
    def one_sees_another_dead(self, holder: str, data: st.DataObject) -> None:
        """Knowing of a death gives the lead over the dead one, and over nobody else."""
        token = data.draw(st.sampled_from(sorted(self.dead)))
        is_free = not lease.is_held(self.row, self.now) or (self.row is not None and self.row.token == token)
        assert self.take(holder, dead=token) is is_free

    def leads(self, holder: str) -> bool:
        """What the database asks of each write: the token of the row."""
        return self.row is not None and self.believed.get(holder) == self.row.token

    # --- what holds at all times ---

    @invariant()
    def at_most_one_writes_with_effect(self) -> None:
        assert sum(self.leads(holder) for holder in self.believed) <= 1

    @invariant()
    def tokens_only_grow(self) -> None:
        assert self.tokens == sorted(set(self.tokens))

    @invariant()
    def no_write_follows_one_of_a_higher_token(self) -> None:
        assert self.written == sorted(self.written)

    @invariant()
    def somebody_can_lead_soon(self) -> None:
        """Whatever the clock did: when nobody renews, the lease is free after its time, and before twice of it."""
        if self.row is not None:
            assert not lease.is_held(self.row, self.now + 2 * TTL_S)
            later = lease.take(self.row, replace(self.row, holder="d"), self.now + 2 * TTL_S)
            assert later is not None
            assert later.token > self.row.token


TestLeaders = Leaders.TestCase
TestLeaders.settings = settings(stateful_step_count=40, deadline=None)
