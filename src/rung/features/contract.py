"""The contract of an online store, as tests: give a fixture `store`, and inherit `OnlineStoreContract`.

    class TestMyStore(OnlineStoreContract):
        @pytest.fixture
        def store(self):
            with closing(MyStore(...)) as store:
                yield store

Each test has views of its own, so that all of them may share a server.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

from rung.features._store import Put, Read

if TYPE_CHECKING:
    from rung.features._store import OnlineStore

__all__ = ["OnlineStoreContract"]

_AWKWARD = {'["a",1]': "[1,[2]]", '["\\u0000"]': 'with "quotes", ä, \\ and \n', "[1]": "", "x" * 1_000: "long"}


class OnlineStoreContract:
    """What every online store keeps to."""

    def test_nothing_is_there_at_first(self, store: OnlineStore) -> None:
        _same(store.read(_view(), ["[1]"]), Read(state=None, entries=[None]))

    def test_entries_come_back_in_the_order_that_is_asked_for(self, store: OnlineStore) -> None:
        view = _view()
        _same(store.put(view, Put(expected=None, state="one", order=1, entries=_AWKWARD)), expected=True)
        keys = [*reversed(_AWKWARD), "[2]"]
        _same(store.read(view, keys), Read(state="one", entries=[_AWKWARD.get(key) for key in keys]))
        _same(store.read(view, []), Read(state="one", entries=[]))

    def test_writer_that_expects_another_state_writes_nothing(self, store: OnlineStore) -> None:
        view = _view()
        _same(store.put(view, Put(expected="other", state="two", entries={"[1]": "a"})), expected=False)
        store.put(view, Put(expected=None, state="one", entries={"[1]": "a"}))
        for expected in (None, "other", ""):
            _same(
                store.put(view, Put(expected=expected, state="two", entries={"[1]": "b", "[2]": "b"})), expected=False
            )
        _same(store.read(view, ["[1]", "[2]"]), Read(state="one", entries=["a", None]))

    def test_entry_that_is_there_is_replaced(self, store: OnlineStore) -> None:
        view = _view()
        store.put(view, Put(expected=None, state="one", order=1, entries={"[1]": "a", "[2]": "a"}))
        _same(store.put(view, Put(expected="one", state="one", order=2, entries={"[1]": "b"})), expected=True)
        _same(store.read(view, ["[1]", "[2]"]), Read(state="one", entries=["b", "a"]))

    def test_views_share_nothing(self, store: OnlineStore) -> None:
        one, other = _view(), _view()
        store.put(one, Put(expected=None, state="one", entries={"[1]": "a"}))
        _same(store.read(other, ["[1]"]), Read(state=None, entries=[None]))
        store.put(other, Put(expected=None, state="other"))
        store.remove(one)
        _same(store.read(one, ["[1]"]), Read(state=None, entries=[None]))
        _same(store.read(other, []).state, "other")

    def test_entries_of_lower_orders_are_removed(self, store: OnlineStore) -> None:
        view = _view()
        many = {f"[{number}]": "old" for number in range(3_000)}
        store.put(view, Put(expected=None, state="one", order=9, entries=many))
        store.put(view, Put(expected="one", state="two", order=10, entries={"[7]": "new"}))
        store.remove(view, below=10)
        _same(store.read(view, ["[7]", "[8]", "[2999]"]), Read(state="two", entries=["new", None, None]))

    def test_views_with_a_state_are_listed(self, store: OnlineStore) -> None:
        views = sorted([_view(), _view()])
        for view in views:
            store.put(view, Put(expected=None, state="one"))
        _same([view for view in store.views() if view in views], views)
        store.remove(views[0])
        _same([view for view in store.views() if view in views], views[1:])

    def test_of_writers_at_once_one_writes(self, store: OnlineStore) -> None:
        view = _view()
        store.put(view, Put(expected=None, state="one"))
        written: list[str] = []

        def write(name: str) -> None:
            entries = {f"[{number}]": name for number in range(500)}
            if store.put(view, Put(expected="one", state=name, order=1, entries=entries)):
                written.append(name)

        _side_by_side([threading.Thread(target=write, args=(f"writer {number}",)) for number in range(8)])
        found = store.read(view, [f"[{number}]" for number in range(500)])
        _same(found, Read(state=written[0], entries=[written[0]] * 500))

    def test_reader_sees_all_of_a_write_or_nothing(self, store: OnlineStore) -> None:
        view, keys = _view(), [f"[{number}]" for number in range(200)]
        store.put(view, Put(expected=None, state="0", entries=dict.fromkeys(keys, "0")))
        done = threading.Event()

        def write() -> None:
            for number in range(30):
                entries = dict.fromkeys(keys, str(number + 1))
                store.put(view, Put(expected=str(number), state=str(number + 1), order=number, entries=entries))
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        mixed = []
        while not done.is_set():
            found = store.read(view, keys)
            mixed += [found.state] if {found.state} != set(found.entries) else []
        writer.join()
        _same(mixed, [])


def _view() -> str:
    return f"view:{secrets.token_hex(8)}"


def _side_by_side(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"the store gave {found!r}, and the contract says {expected!r}")
