from __future__ import annotations

from rung.features._state import State, begin, finish

EMPTY = State()


def done(*versions: int) -> State:
    begun = begin(EMPTY, writer="one", versions=list(versions))
    assert begun is not None
    return finish(begun, time="now", entities=5, is_full=True)


def test_states_come_back_as_they_were():
    for state in (EMPTY, done(3, 4), begin(done(3), writer="two", versions=[4])):
        assert state is not None
        assert State.from_text(state.to_text()) == state
    assert State.from_text(None) == EMPTY


def test_what_is_there_is_not_begun_again():
    assert begin(done(3), writer="two", versions=[3]) is None
    assert begin(done(3), writer="two", versions=[2]) is None
    assert begin(done(3), writer="two", versions=[4]) is not None


def test_unfinished_writer_is_taken_over():
    first = begin(done(3), writer="one", versions=[4])
    assert first is not None
    second = begin(first, writer="two", versions=[4])
    assert second is not None
    assert (second.writer, second.versions, second.toward) == ("two", [3], [4])
    assert second.to_text() != first.to_text()


def test_only_a_full_writing_leaves_older_entries_out():
    begun = begin(done(3), writer="two", versions=[4])
    assert begun is not None
    assert finish(begun, time="", entities=1, is_full=False).floor == done(3).floor == 3
    assert finish(begun, time="", entities=1, is_full=True).floor == 4
