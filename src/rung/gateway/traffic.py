"""What the servers of a revision are asked at one moment."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Numbers of one revision; those of several gateways add up, but for the servers, which all of them see.

    >>> Traffic(in_flight=2, requests=7, ready=1) + Traffic(in_flight=1, requests=3, ready=1)
    Traffic(in_flight=3, requests=10, ready=1)
    """

    in_flight: int = 0  # requests that its servers have and have not answered
    requests: int = 0  # that they were sent since the gateway knows the revision
    ready: int = 0  # servers that pass their health check

    def __add__(self, other: Traffic) -> Traffic:
        """Add what another gateway, or another path to the same servers, counts."""
        return Traffic(
            in_flight=self.in_flight + other.in_flight,
            requests=self.requests + other.requests,
            ready=max(self.ready, other.ready),
        )
