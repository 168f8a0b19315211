"""Was the document there before the code? Decided from facts of git alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.documents._document import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What git and the registry say of one service, as seen from a branch that is to be merged."""

    service: str
    base: str
    """What it is to be merged into, as `origin/main`."""
    major: int
    is_new: bool
    """The service is not in the base yet."""
    code: str | None
    """The first commit of the branch that changes its code; "" while only the working tree does; None: unchanged."""
    merged: Mapping[tuple[int, int], Document] = field(default_factory=dict)
    """Documents in the base, by major and minor."""
    proposed: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Documents that the branch adds, by major and minor: their files."""
    before_code: frozenset[tuple[int, int]] = frozenset()
    """Documents whose first commit is an ancestor of `code`."""
    next_minor: int | None = None
    """Of the next revision, where the registry knows the service; None: as the documents tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whether document and code came in their order."""

    holds: bool
    because: str


def judge_order(history: History) -> Order:
    """Say whether the branch may change the service's code: the document of the revision must be merged, and first."""
    if history.code is None:
        return _holds(f"the code of {history.service} is as in {history.base}")
    minor = next_minor(history)
    name = f"{history.service}.v{history.major}.m{minor}"
    if minor == 0:
        return _holds(f"this is the code of {name}, the benchmark, which needs no document")
    file = f"v{history.major}.m{minor}.md"
    document = history.merged.get((history.major, minor))
    if document is None:
        return _broken(_missing(history, minor))
    if document.unwritten:
        missing = ", ".join(section.lower() for section in document.unwritten)
        return _broken(f"{file} in {history.base} does not say {missing}: write that first, and merge it by itself")
    if history.code and (history.major, minor) not in history.before_code:
        return _broken(
            f"commit {history.code[:8]} changes the code of {name}, and does not follow {file}, which was merged "
            f"meanwhile: `git rebase {history.base}`, and look whether the code is still what was agreed"
        )
    return _holds(f"{file} was merged into {history.base} before the code of {name}")


def next_minor(history: History) -> int:
    """Tell of which revision the code of a branch will be.

    The registry knows. Without it: of the newest document that no results were filled into, or of the one after it; and
    of the benchmark while the service, or its major, is new.
    """
    if history.next_minor is not None:
        return history.next_minor
    minors = [minor for major, minor in history.merged if major == history.major]
    if not minors:
        return 0 if history.is_new or _opens_major(history) else 1
    newest = max(minors)
    return newest if history.merged[history.major, newest].made is None else newest + 1


def _opens_major(history: History) -> bool:
    """Tell whether documents are of majors before this one only."""
    return bool(history.merged) and max(major for major, _ in history.merged) < history.major


def _missing(history: History, minor: int) -> str:
    changed = f"commit {history.code[:8]} changes" if history.code else "what is not committed yet changes"
    told = f"{changed} the code of {history.service}.v{history.major}.m{minor}"
    proposed = history.proposed.get((history.major, minor))
    if proposed is not None:
        return (
            f"{told} beside its document: merge {proposed} by itself first, so that it is reviewed before there is code"
        )
    file = f"v{history.major}.m{minor}.md"
    return (
        f"{told}, and {history.base} has no {file}: `rung doc new {history.service}`, then merge the document by itself"
    )


def _holds(because: str) -> Order:
    return Order(holds=True, because=because)


def _broken(because: str) -> Order:
    return Order(holds=False, because=because)
