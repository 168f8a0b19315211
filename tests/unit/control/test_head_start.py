"""Who may begin when a machine comes up again."""

from __future__ import annotations

from rung.control._head_start import HeadStart


def asked(ready: set[str], log: list[str]):
    def is_ready(process: str) -> bool:
        log.append(process)
        return process in ready

    return is_ready


def test_nobody_waits_where_production_needs_nothing():
    log: list[str] = []
    assert HeadStart().is_over((), asked(set(), log), now=0.0)
    assert log == []


def test_others_wait_until_production_answers():
    first, ready, log = HeadStart(), {"a"}, []
    assert not first.is_over(("a", "b"), asked(ready, log), now=1.0)
    ready.add("b")
    log.clear()
    assert first.is_over((), asked(ready, log), now=2.0)
    assert log == ["b"]  # what has answered is not asked again


def test_a_server_that_never_answers_keeps_nobody_for_long():
    first = HeadStart()
    for now in (0.0, 4.0, 8.0):
        assert not first.is_over("a", asked(set(), []), now=now)  # it crashes and is begun again
    assert first.is_over((), asked(set(), []), now=10.0)


def test_a_server_that_answered_and_dies_again_has_a_head_start_again():
    first = HeadStart()
    first.is_over("a", asked(set(), []), now=0.0)
    assert first.is_over((), asked({"a"}, []), now=1.0)
    assert not first.is_over("a", asked(set(), []), now=100.0)
