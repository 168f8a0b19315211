"""The figures of the data gate: every data test of candidate and reference, on the same held-out rows."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rung import artifacts
from rung.errors import ConflictError, NotFoundError
from rung.serving import read_bundle
from rung.testing._goal import declared_of
from rung.testing._rows import TRAINING_ROWS, Overlap, TrainingRows, hash_rows, overlap
from rung.testing._tests import score_draws, score_groups, take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rung.testing._client import RecordingClient
    from rung.testing._service import ServiceTests
    from rung.workspace import Workspace

Rows = tuple[Any, Any]
"""X_test and y_test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRows:
    """The held-out rows that are compared on, and what is known of them."""

    rows: Rows
    trained: Overlap | None
    """All held-out rows against the candidate's training rows; None where its training kept no hashes."""
    seen: Overlap | None
    """The same against the reference's training rows."""
    left_out: bool
    """Those that the reference was trained on are not among the rows."""

    def to_json(self) -> dict[str, Any]:
        """Give what is known of the rows as plain JSON data."""
        return {
            "rows": len(self.rows[1]),
            "training_rows": None if self.trained is None else self.trained.to_json(),
            "seen_by_reference": None if self.seen is None else {**self.seen.to_json(), "left_out": self.left_out},
        }


def check_rows(workspace: Workspace, revision: str, reference: str) -> CheckedRows:
    """Load the rows that a revision's training held out, and hold them against what both were trained on.

    Rows that the reference was trained on make it look better than it is: they are left out while half of the rows
    remain.

    Raises:
        NotFoundError: The training kept no held-out rows.
    """
    rows = held_out(workspace, revision)
    known = [_training_rows(workspace, name) for name in (revision, reference)]
    trained, seen = (_overlap(rows, one) for one in known)
    remaining = len(rows[1]) - (len(seen.leaked) if seen else 0)
    left_out = seen is not None and bool(seen.leaked) and 2 * remaining >= len(rows[1])
    if seen is not None and left_out:
        kept = sorted(set(range(len(rows[1]))) - set(seen.leaked))
        rows = take(rows[0], kept), take(rows[1], kept)
    return CheckedRows(rows=rows, trained=trained, seen=seen, left_out=left_out)


def paired(
    tests: ServiceTests, clients: tuple[RecordingClient, RecordingClient], rows: Rows, *, known: frozenset[str]
) -> list[dict[str, Any]]:
    """Score every data test on candidate and reference, on the same rows, and the same groups or draws of them.

    Args:
        tests: The candidate's tests.
        clients: Of the candidate and of the reference.
        rows: Instances and truths.
        known: Tests that the reference had too; others are scored on the candidate alone.
    """
    return [_pair(name, test, clients if name in known else clients[:1], rows) for name, test in tests.data.items()]


def _pair(name: str, test: Callable[..., float], clients: tuple[RecordingClient, ...], rows: Rows) -> dict[str, Any]:
    declared = declared_of(test)
    assert declared is not None  # noqa: S101  or it would be no data test
    members = groups(len(rows[1])) if declared.smooth else []
    found: list[Any] = []
    for client in clients:
        scores = score_groups(test, client, rows, members) if members else score_draws(test, client, rows)
        found.append(scores if isinstance(scores, str) else asdict(scores))
    return {"name": name, **asdict(declared), "candidate": found[0], "reference": found[1] if len(found) > 1 else None}


def groups(rows: int, count: int = 50) -> list[int]:
    """Give each row a group: a fixed shuffle, groups of equal size. As `stats.groups`, which needs numpy.

    >>> groups(4, 2)
    [1, 0, 0, 1]
    """
    order = list(range(rows))
    random.Random(0).shuffle(order)  # noqa: S311  no secret is drawn
    members = [0] * rows
    for position, row in enumerate(order):
        members[row] = position % count
    return members


def held_out(workspace: Workspace, revision: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Load the rows that the revision's training held out.

    Raises:
        NotFoundError: The training kept none.
    """
    value = _kept(workspace, revision, "held_out")
    if value is None:
        raise NotFoundError(f"the training of {revision} kept no held-out rows", hint="train it with evaluate_models")
    return value["X_test"], value["y_test"]


def _training_rows(workspace: Workspace, revision: str) -> TrainingRows | None:
    value = _kept(workspace, revision, TRAINING_ROWS)
    return None if value is None else TrainingRows.model_validate(value)


def _overlap(rows: Rows, known: TrainingRows | None) -> Overlap | None:
    if known is None:
        return None
    try:
        return overlap(hash_rows(*rows), known)
    except ConflictError:  # rows that cannot be spelled were not trained on by the reference either
        return None


def _kept(workspace: Workspace, revision: str, name: str) -> Any:
    digest = read_bundle(workspace.state, revision).artifacts.get(name)
    if digest is None:
        return None
    return artifacts.decode(artifacts.LocalStore(workspace.artifacts).get(digest), digest=digest)
