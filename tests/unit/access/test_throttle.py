from __future__ import annotations

from rung.access import Throttle


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def fail(throttle: Throttle, peer: str, times: int) -> None:
    for _ in range(times):
        throttle.failed(peer)


def test_some_failures_are_free():
    throttle = Throttle(burst=3, every_s=10, clock=Clock())
    fail(throttle, "10.0.0.1", 2)
    assert throttle.wait_s("10.0.0.1") == 0


def test_further_ones_must_wait():
    throttle = Throttle(burst=3, every_s=10, clock=Clock())
    fail(throttle, "10.0.0.1", 3)
    assert throttle.wait_s("10.0.0.1") == 10
    assert throttle.wait_s("10.0.0.2") == 0


def test_waiting_is_over_with_time():
    clock = Clock()
    throttle = Throttle(burst=3, every_s=10, clock=clock)
    fail(throttle, "10.0.0.1", 3)
    clock.now += 10
    assert throttle.wait_s("10.0.0.1") == 0
    fail(throttle, "10.0.0.1", 1)
    assert throttle.wait_s("10.0.0.1") == 10


def test_one_network_of_ipv6_is_one_peer():
    throttle = Throttle(burst=1, every_s=10, clock=Clock())
    throttle.failed("2001:db8::1")
    assert throttle.wait_s("2001:db8::ffff:1") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_ipv4_in_ipv6_is_not_one_peer():
    throttle = Throttle(burst=1, every_s=10, clock=Clock())
    throttle.failed("::ffff:10.0.0.1")
    assert throttle.wait_s("::ffff:10.0.0.2") == 0


def test_memory_is_bounded():
    throttle = Throttle(burst=1, every_s=1e6, clock=Clock())
    for number in range(10_100):
        throttle.failed(f"peer {number}")
    assert throttle.wait_s("peer 0") == 0
    assert throttle.wait_s("peer 10099") > 0
    assert len(throttle._full_at) == 10_000  # noqa: SLF001  what is bounded
