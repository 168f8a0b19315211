"""Steps inside a transaction of the registry: experiments with their splits and arms, and shadows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from rung.errors import ConflictError
from rung.lifecycle import SplitKind, State
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from rung.lifecycle import Split
    from rung.registry._rows import Experiment, Promotion
    from rung.schema import RevisionName


def identity_of(promotion: Promotion) -> str:
    """Name the experiment that an attempt begins."""
    return f"{promotion.revision}-{promotion.id}"


def begin(
    connection: Connection,
    promotion: Promotion,
    incumbent: RevisionName,
    *,
    design: Mapping[str, Any],
    shares: Mapping[str, float],
) -> None:
    """Begin the experiment of an attempt."""
    identity = identity_of(promotion)
    connection.execute(
        insert(tables.experiments).values(
            id=identity,
            promotion=promotion.id,
            incumbent=str(incumbent),
            challenger=str(promotion.revision),
            design=dict(design),
            started=rows.now(),
        )
    )
    join(connection, promotion, identity)
    split(connection, identity, shares, kind=SplitKind.START, because="as declared", actor="rung")


def join(connection: Connection, promotion: Promotion, experiment: str) -> None:
    """Make the revision of an attempt an arm of an experiment."""
    connection.execute(insert(tables.arms).values(promotion=promotion.id, experiment=experiment))


def enter(
    connection: Connection, promotion: Promotion, incumbent: RevisionName, *, experiment: str, share: float
) -> None:
    """Move the candidate of an attempt into its experiment.

    Raises:
        ConflictError: The attempt has ended.
    """
    steps.check_open(connection, promotion)
    because = f"A/B test against {incumbent}: {share:.0%} of the units"
    name, data = promotion.revision, {"experiment": experiment}
    steps.move(connection, name, State.EXPERIMENTING, because=because, actor="rung", data=data, fields={})


def split(
    connection: Connection, experiment: str, shares: Mapping[str, float], *, kind: SplitKind, because: str, actor: str
) -> None:
    """Change the traffic split of an experiment that runs.

    Raises:
        ConflictError: It has ended.
    """
    table = tables.experiments
    running = select(table.c.id).where(table.c.id == experiment, table.c.ended.is_(None))
    if connection.execute(running).scalar() is None:
        raise ConflictError(f"the experiment {experiment} has ended", hint="see `rung history`")
    connection.execute(
        insert(tables.splits).values(
            experiment=experiment, since=rows.now(), kind=kind, shares=dict(shares), because=because, actor=actor
        )
    )


def check_split(connection: Connection, experiment: Experiment) -> None:
    """Refuse a change that was decided on a split which is not the newest any more: an operator's pause stays.

    Raises:
        ConflictError: It has changed since the experiment was read.
    """
    table = tables.splits
    number = connection.execute(select(func.count()).where(table.c.experiment == experiment.id)).scalar()
    if number != len(experiment.splits):
        raise ConflictError(f"the traffic split of {experiment.id} has changed meanwhile", hint="look, then ask again")


def leave(connection: Connection, promotion: Promotion, *, is_won: bool) -> None:
    """End the part of an attempt in its experiment; the experiment ends when it is won, or nobody else takes part."""
    arms, attempts = tables.arms, tables.promotions
    experiment = connection.execute(select(arms.c.experiment).where(arms.c.promotion == promotion.id)).scalar()
    if experiment is None:
        return
    others = (
        select(attempts.c.id)
        .join(arms, arms.c.promotion == attempts.c.id)
        .where(arms.c.experiment == experiment, attempts.c.ended.is_(None), attempts.c.id != promotion.id)
    )
    table = tables.experiments
    running = table.c.id == experiment, table.c.ended.is_(None)
    if is_won or connection.execute(others).first() is None:
        connection.execute(update(table).where(*running).values(ended=rows.now()))
        return
    (found,) = read(connection, select(table).where(table.c.id == experiment))
    if found.ended is None:
        kept = {name: share for name, share in found.shares.items() if name != str(promotion.revision)}
        total = sum(kept.values())
        split(
            connection,
            experiment,
            {name: share / total for name, share in kept.items()},
            kind=SplitKind.PAUSE if found.splits[-1].is_pause else SplitKind.BANDIT,
            because=f"{promotion.revision} left",
            actor="rung",
        )


def read(connection: Connection, query: Select[Any]) -> list[Experiment]:
    """Read experiments with their splits and arms."""
    found = connection.execute(query).all()
    wanted = [row.id for row in found]
    splits = connection.execute(
        select(tables.splits).where(tables.splits.c.experiment.in_(wanted)).order_by(tables.splits.c.id)
    ).all()
    arms = connection.execute(
        select(tables.arms).where(tables.arms.c.experiment.in_(wanted)).order_by(tables.arms.c.promotion)
    ).all()
    stretches: dict[str, list[Split]] = defaultdict(list)
    for one in splits:
        stretches[one.experiment].append(rows.split_of(one))
    attempts: dict[str, list[int]] = defaultdict(list)
    for one in arms:
        attempts[one.experiment].append(one.promotion)
    return [rows.experiment_of(row, stretches[row.id], attempts[row.id]) for row in found]


def begin_shadow(
    connection: Connection, name: RevisionName, share: float, *, until: datetime | None, actor: str
) -> None:
    """Mirror a share of production to a revision, in place of the share that it had."""
    steps.end_shadow(connection, name)
    connection.execute(
        insert(tables.shadows).values(
            **steps.key(name),
            share=share,
            started=rows.now(),
            until=None if until is None else rows.spell(until),
            actor=actor,
        )
    )
