"""What an ingest decides before it reads a row."""

from __future__ import annotations

import pytest

from rung.data import Entry
from rung.data._ingest.plan import Mode, Settled, Taken, Wanted, changes, check_columns, settle, sorted_out
from rung.errors import CallError, ConflictError

NEW = Entry(name="houses")
KEYED = Entry(name="houses", key=["id"])
TIMED = Entry(name="houses", time="sold")


def settled(mode: Mode, *, is_asked: bool = False) -> Settled:
    return Settled(key=("id",), time=None, contract=None, mode=mode, is_asked=is_asked)


def taken(*pairs: str) -> list[Taken]:
    return [Taken(name=pair.split(":")[0], digest=pair.split(":")[1]) for pair in pairs]


@pytest.mark.parametrize(
    ("entry", "wanted", "mode"),
    [
        pytest.param(NEW, Wanted(), Mode.APPEND, id="nothing is known"),
        pytest.param(NEW, Wanted(key=("id",)), Mode.UPSERT, id="a key is given"),
        pytest.param(NEW, Wanted(time="sold"), Mode.NEWER, id="a time is given"),
        pytest.param(NEW, Wanted(key=("id",), time="sold"), Mode.UPSERT, id="both are given"),
        pytest.param(KEYED, Wanted(), Mode.UPSERT, id="a key is remembered"),
        pytest.param(TIMED, Wanted(), Mode.NEWER, id="a time is remembered"),
        pytest.param(TIMED, Wanted(mode=Mode.APPEND), Mode.APPEND, id="a mode is given"),
        pytest.param(KEYED, Wanted(mode=Mode.REPLACE), Mode.REPLACE, id="all are to be replaced"),
    ],
)
def test_mode_follows_from_what_tells_rows_apart(entry: Entry, wanted: Wanted, mode: Mode):
    assert settle("houses", entry, wanted).mode is mode


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param(Wanted(key=("name",)), "the key of 'houses' is id, and not name", id="key"),
        pytest.param(Wanted(time="built"), "the time of 'houses' is sold, and not built", id="time"),
        pytest.param(Wanted(contract="a:B"), "the contract of 'houses' is c:D, and not a:B", id="contract"),
    ],
)
def test_contradicting_what_is_remembered_says_how_to_change_it(wanted: Wanted, told: str):
    remembered = Entry(name="houses", key=["id"], time="sold", contract="c:D")

    with pytest.raises(ConflictError, match=told) as caught:
        settle("houses", remembered, wanted)

    assert "rung data annotate houses --" in caught.value.hint


@pytest.mark.parametrize(
    ("entry", "mode"),
    [(NEW, Mode.UPSERT), (NEW, Mode.NEWER), (KEYED, Mode.APPEND), (KEYED, Mode.NEWER)],
)
def test_a_mode_that_does_not_go_with_key_and_time_is_refused(entry: Entry, mode: Mode):
    with pytest.raises(CallError):
        settle("houses", entry, Wanted(mode=mode))


@pytest.mark.parametrize(
    ("mode", "pieces", "before", "new"),
    [
        pytest.param(Mode.APPEND, ["a:1", "b:2"], [], [0, 1], id="nothing was taken yet"),
        pytest.param(Mode.APPEND, ["a:1", "b:2"], ["a:1"], [1], id="one was taken"),
        pytest.param(Mode.APPEND, ["c:1"], ["a:1"], [], id="one was taken under another name"),
        pytest.param(Mode.NEWER, ["a:2"], ["a:1"], [0], id="one has changed, and times tell what is new"),
        pytest.param(Mode.UPSERT, ["a:1"], ["a:1", "a:2"], [0], id="one is again as it was before it changed"),
        pytest.param(Mode.UPSERT, ["a:1", "b:2"], ["a:1", "b:2"], [], id="a folder of corrections is as it was"),
        pytest.param(Mode.REPLACE, ["a:1", "b:2"], ["a:1"], [0, 1], id="one more is to replace all"),
        pytest.param(Mode.REPLACE, ["a:1", "b:2"], ["a:1", "b:2"], [], id="the same are to replace all"),
    ],
)
def test_no_content_is_taken_twice(mode: Mode, pieces: list[str], before: list[str], new: list[int]):
    numbers, known = sorted_out(taken(*pieces), taken(*before), settled(mode))

    assert numbers == new
    assert sorted([*numbers, *known]) == list(range(len(pieces)))


def test_late_rows_are_looked_for_in_known_content():
    assert sorted_out(taken("a:1"), taken("a:1"), settled(Mode.NEWER), late=True) == ([0], [])


def test_a_file_that_changed_is_not_added_unasked():
    with pytest.raises(ConflictError, match="a was taken before and has changed since") as caught:
        sorted_out(taken("a:2"), taken("a:1"), settled(Mode.APPEND))

    assert all(option in caught.value.hint for option in ("--key", "--time", "--mode append", "--mode replace"))
    assert sorted_out(taken("a:2"), taken("a:1"), settled(Mode.APPEND, is_asked=True)) == ([0], [])


def test_only_what_is_new_is_remembered():
    now = Settled(key=("id",), time=None, contract=None, mode=Mode.UPSERT, is_asked=False)

    assert changes(None, now, owner="ann", described={"licence": "CC0"}) == {
        "licence": "CC0",
        "key": ["id"],
        "owner": "ann",
    }
    assert changes(KEYED, now, owner=None, described={"licence": "CC0"}) == {}


def test_columns_that_come_or_go_are_refused_unless_asked_for():
    with pytest.raises(ConflictError, match=r"b.csv lacks price and has prise beside the columns of 'houses'"):
        check_columns({"b.csv": ["id", "prise"]}, ["id", "price"], "houses", evolve=False)

    check_columns({"b.csv": ["id", "prise"]}, ["id", "price"], "houses", evolve=True)
