"""The lease by which one control plane of several leads: arithmetic alone, no clock and no database.

Whoever holds it renews it well before it runs out. Each new holder gets a higher fencing token, and whoever writes
shows its own: so a holder that was frozen while its lease ran out, and does not know it, is refused. Times are those of
the database's clock, in seconds since 1970; no other clock is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who leads."""

    token: int
    """Grows with each holder, for ever."""
    holder: str
    """The process that leads; empty when it ended the platform."""
    place: str
    """Where it keeps its state."""
    expires: float
    """Seconds since 1970."""
    ttl_s: float
    """How long it holds when it is not renewed, seconds."""

    @property
    def is_released(self) -> bool:
        """The last holder ended in order: nobody is to go on."""
        return not self.holder


def is_held(lease: Lease | None, now: float) -> bool:
    """Tell whether somebody leads.

    A lease that would hold for more than twice its time was given before the clock was set back: it holds no more, or
    a dead holder's would hold for as long as the clock went back.

    >>> lease = Lease(token=1, holder="a", place="p", expires=10.0, ttl_s=10.0)
    >>> [is_held(lease, now) for now in (-11.0, 0.0, 9.9, 10.0)]
    [False, True, True, False]
    """
    return lease is not None and not lease.is_released and now < lease.expires <= now + 2 * lease.ttl_s


def take(
    lease: Lease | None, wanted: Lease, now: float, *, dead: int | None = None, stands_by: bool = False
) -> Lease | None:
    """Give the lease to whoever wants it; None while another holds it.

    Args:
        lease: As it is.
        wanted: Its next holder; `token` is the least that it may get, `expires` is of no account.
        now: By the database's clock.
        dead: The token of a holder that is known to have died.
        stands_by: Whoever wants it would go on for a holder that is gone, not begin anew after one that ended in order.
    """
    if stands_by and lease is not None and lease.is_released:
        return None
    if is_held(lease, now) and lease is not None and lease.token != dead:
        return None
    last = 0 if lease is None else lease.token
    return replace(wanted, token=max(last + 1, wanted.token), expires=now + wanted.ttl_s)


def renew(lease: Lease, now: float) -> Lease:
    """Let a lease hold for its whole time from now on; whoever holds its token may ask, however late."""
    return replace(lease, expires=now + lease.ttl_s)


def release(lease: Lease) -> Lease:
    """Give a lease back: the next one need not wait."""
    return replace(lease, holder="", expires=0.0)
