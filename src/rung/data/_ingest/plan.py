"""What an ingest is to do: from what was asked, what is remembered, what is there. Pure; `_ingest` carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rung.data._entry import Entry

__all__ = ["Mode", "Settled", "Taken", "Wanted", "changes", "check_columns", "settle", "sorted_out"]


class Mode(StrEnum):
    """What becomes of rows that come to a dataset."""

    APPEND = "append"  # all are added; a file whose content was taken before is passed over
    NEWER = "newer"  # those are added that are not there, and not older than the newest that is
    UPSERT = "upsert"  # new keys are added, rows of known keys changed
    REPLACE = "replace"  # they take the place of all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What whoever ingests says about the dataset."""

    key: tuple[str, ...] = ()  # columns that tell rows apart
    time: str | None = None  # column that tells when a row came to be
    contract: str | None = None  # "module:Model", what each row must be
    mode: Mode | None = None
    owner: str | None = None
    note: str = ""
    max_bad: float = 0.1  # share of the rows that may be refused
    late: bool = False  # rows that are older than the newest, and not there, are added too
    evolve: bool = False  # columns may come, and be missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How an ingest goes on."""

    key: tuple[str, ...]
    time: str | None
    contract: str | None
    mode: Mode
    is_asked: bool  # the mode was given, and does not follow from key and time


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A piece of a source whose rows are in a version."""

    name: str  # without secrets
    digest: str  # of its content


def settle(name: str, entry: Entry, wanted: Wanted) -> Settled:
    """Decide how rows are told apart, and what becomes of them.

    Raises:
        ConflictError: What was asked contradicts what is remembered.
        CallError: The mode needs a key or a time that there is not.
    """
    remembered: dict[str, Any] = {"key": tuple(entry.key), "time": entry.time, "contract": entry.contract}
    for what, before in remembered.items():
        asked = getattr(wanted, what)
        if before and asked and before != asked:
            told = ",".join(before) if what == "key" else before
            now = ",".join(asked) if what == "key" else asked
            raise ConflictError(
                f"the {what} of {name!r} is {told}, and not {now}",
                hint=f"leave --{what} away, or change it: rung data annotate {name} --{what} {now}",
            )
    found = {what: getattr(wanted, what) or before for what, before in remembered.items()}
    key, time = found["key"], found["time"]
    mode = wanted.mode or (Mode.UPSERT if key else Mode.NEWER if time else Mode.APPEND)
    _check_mode(name, mode, key, time)
    return Settled(
        key=key,
        time=time,
        contract=found["contract"],
        mode=mode,
        is_asked=wanted.mode is not None,
    )


def changes(
    entry: Entry | None, settled: Settled, *, owner: str | None, described: Mapping[str, Any]
) -> dict[str, Any]:
    """Give what is to be remembered from now on; nothing when it is remembered already.

    Args:
        entry: What is remembered.
        settled: Key, time and contract.
        owner: Whom to ask, where that was said.
        described: What is said of the dataset where it comes from: it counts for one that is new.
    """
    new = {**(described if entry is None else {}), "key": list(settled.key), "time": settled.time}
    new |= {"contract": settled.contract} | ({"owner": owner} if owner else {})
    return {what: value for what, value in new.items() if value and (entry is None or getattr(entry, what) != value)}


def sorted_out(
    pieces: Sequence[Taken], taken: Sequence[Taken], settled: Settled, *, late: bool = False
) -> tuple[list[int], list[int]]:
    """Tell which pieces are to be read, and which are known: by their numbers.

    A piece is known when the rows that it would give were looked at before: by its content; where rows are changed by
    their key, only when nothing else of its name came since; where they replace others, only all together.

    Raises:
        ConflictError: A piece has changed since it was taken, and its rows cannot be told from those that are there.
    """
    digests = {one.digest for one in taken}
    last = {one.name: one.digest for one in taken}
    everything = list(range(len(pieces)))
    if settled.mode is Mode.REPLACE:
        same = [one.digest for one in pieces] == [one.digest for one in taken]
        return ([], everything) if same else (everything, [])
    if settled.mode is Mode.UPSERT:
        known = [number for number in everything if last.get(pieces[number].name) == pieces[number].digest]
    elif settled.mode is Mode.NEWER and late:
        known = []
    else:
        known = [number for number in everything if pieces[number].digest in digests]
    passed = set(known)
    new = [number for number in everything if number not in passed]
    changed = [pieces[number].name for number in new if pieces[number].name in last]
    if changed and settled.mode is Mode.APPEND and not settled.is_asked:
        raise ConflictError(
            f"{changed[0]} was taken before and has changed since: its rows may be there already",
            hint="say how rows are told apart (--key) or which are new (--time), that all of them are (--mode append), "
            "or that they take the place of the others (--mode replace)",
        )
    return new, known


def check_columns(names: Mapping[str, Collection[str]], wanted: Collection[str], dataset: str, *, evolve: bool) -> None:
    """Refuse pieces that have other columns than they should.

    Args:
        names: Of each piece, the columns.
        wanted: The columns that there should be.
        dataset: Its name.
        evolve: Columns may come, and be missing.

    Raises:
        ConflictError: They have.
    """
    if evolve:
        return
    for piece, columns in names.items():
        missing = [name for name in wanted if name not in columns]
        new = [name for name in columns if name not in wanted]
        told = [f"lacks {', '.join(missing)}"] if missing else []
        told += [f"has {', '.join(new)} beside the columns of {dataset!r}"] if new else []
        if told:
            raise ConflictError(
                f"{piece} {' and '.join(told)}",
                hint="mend its first line; or --evolve takes new columns, and leaves missing ones empty",
            )


def _check_mode(name: str, mode: Mode, key: Sequence[str], time: str | None) -> None:
    if mode is Mode.UPSERT and not key:
        raise CallError(f"{name!r} has no key to change rows by", hint="give --key, as --key id")
    if mode is Mode.NEWER and not time:
        raise CallError(f"{name!r} has no column that tells which rows are newer", hint="give --time, as --time sold")
    if mode in {Mode.APPEND, Mode.NEWER} and key:
        raise CallError(
            f"{name!r} has the key {','.join(key)}: rows that are only added might repeat it",
            hint="--mode upsert adds and changes, --mode replace takes the new rows in place of all others",
        )
