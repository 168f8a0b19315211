"""Operations on attempts to promote: gates, experiments with their splits and arms, shadows, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from rung.errors import ConflictError
from rung.lifecycle import MIRRORED, Gate, SplitKind, State, Verdict
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry import _trials as trials
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rung.registry._rows import Experiment, Promotion, Shadow
    from rung.schema import RevisionName


class Attempts(Store):
    """Reads and writes of promotions; each is one transaction."""

    # --- promotions ---

    def begin_promotion(
        self,
        name: RevisionName,
        *,
        actor: str,
        joint: bool = False,
        policy: Mapping[str, Any] | None = None,
        papers: Mapping[str, Any] | None = None,
    ) -> int:
        """Begin an attempt and move the candidate into testing.

        Args:
            name: The candidate.
            actor: Who began it.
            joint: It may run beside other joint attempts of its major, and share a bandit with them.
            policy: The service's `Policy`, as JSON data: the attempt goes by it to its end.
            papers: With what it begins, as JSON data: its specification, who signed it, what its questions answer.

        Raises:
            ConflictError: Another attempt of this major is under way, or the revision is no candidate.
        """
        busy = ConflictError(
            f"another promotion of {name.major_name} is under way",
            hint=f"`rung status {name.service}` shows it; wait until it ended",
        )
        try:
            with self._write() as connection:
                if steps.open_promotion(connection, name.service, name.major, joint=not joint) is not None:
                    raise busy
                given = {"policy": policy, "papers": papers}
                data = {kind: dict(found) for kind, found in given.items() if found is not None}
                steps.move(
                    connection, name, State.TESTING, because="a promotion began", actor=actor, data=data, fields={}
                )
                row = {**steps.key(name), "actor": actor, "started": rows.now(), "joint": joint, "policy": policy}
                return _inserted(connection.execute(insert(tables.promotions).values(**row)).inserted_primary_key)
        except IntegrityError as error:
            raise busy from error

    def promotions(self, service: str | None = None, *, active_only: bool = False) -> list[Promotion]:
        """Give attempts with their verdicts, in order."""
        table = tables.promotions
        query = select(table).order_by(table.c.id)
        if service is not None:
            query = query.where(table.c.service == service)
        if active_only:
            query = query.where(table.c.ended.is_(None))
        with self._read() as connection:
            found = connection.execute(query).all()
            wanted = select(tables.verdicts).where(tables.verdicts.c.promotion.in_([row.id for row in found]))
            given = connection.execute(wanted.order_by(tables.verdicts.c.id)).all()
        return [
            rows.promotion_of(row, [rows.verdict_of(one) for one in given if one.promotion == row.id]) for row in found
        ]

    def begin_gate(self, promotion: Promotion, gate: Gate, *, because: str) -> None:
        """Keep that a gate's job is about to be started."""
        with self._write() as connection:
            steps.set_gate(connection, promotion, gate, because=because)

    def add_verdict(self, promotion: Promotion, verdict: Verdict) -> None:
        """Keep what a gate found; a second verdict of the same gate changes nothing."""
        self.add_verdicts([(promotion, verdict)])

    def add_verdicts(self, found: Sequence[tuple[Promotion, Verdict]]) -> None:
        """Keep what was found of several attempts that share an experiment: all or nothing."""
        with self._write() as connection:
            for promotion, verdict in found:
                steps.add_verdict(connection, promotion.id, promotion.revision, verdict)

    def begin_shadowing(self, promotion: Promotion, *, share: float, because: str) -> None:
        """Mirror production to the candidate of an attempt, as the gate that is under way now."""
        with self._write() as connection:
            steps.move(
                connection, promotion.revision, State.SHADOWING, because=because, actor="rung", data={}, fields={}
            )
            steps.set_gate(connection, promotion, Gate.SHADOW, because=because)
            trials.begin_shadow(connection, promotion.revision, share, until=None, actor="rung")

    def begin_experiment(
        self,
        promotion: Promotion,
        incumbent: RevisionName,
        *,
        design: Mapping[str, Any],
        shares: Mapping[str, float],
    ) -> str:
        """Begin the experiment of an attempt and move the challenger into it.

        Args:
            promotion: The attempt.
            incumbent: The revision to be better than.
            design: The declared `ABTest`, as JSON data.
            shares: Of the units, by revision.
        """
        identity, share = trials.identity_of(promotion), shares[str(promotion.revision)]
        with self._write() as connection:
            trials.enter(connection, promotion, incumbent, experiment=identity, share=share)
            trials.begin(connection, promotion, incumbent, design=design, shares=shares)
        return identity

    def join_experiment(self, promotion: Promotion, experiment: Experiment, *, shares: Mapping[str, float]) -> None:
        """Make the candidate of an attempt a further arm of a bandit that runs."""
        share = shares[str(promotion.revision)]
        kind = SplitKind.PAUSE if experiment.splits[-1].is_pause else SplitKind.BANDIT
        with self._write() as connection:
            trials.check_split(connection, experiment)
            trials.enter(connection, promotion, experiment.incumbent, experiment=experiment.id, share=share)
            trials.join(connection, promotion, experiment.id)
            because = f"{promotion.revision} joined"
            trials.split(connection, experiment.id, shares, kind=kind, because=because, actor="rung")

    def split(
        self, experiment: Experiment, shares: Mapping[str, float], *, kind: SplitKind, because: str, actor: str
    ) -> None:
        """Change the traffic split of an experiment that runs.

        Raises:
            ConflictError: It has ended, or its split has changed since it was read.
        """
        with self._write() as connection:
            trials.check_split(connection, experiment)
            trials.split(connection, experiment.id, shares, kind=kind, because=because, actor=actor)
            if kind is not SplitKind.BANDIT:  # its shares change every minute; the table of splits has them
                data = {"experiment": experiment.id, "shares": dict(shares), "kind": kind}
                subject = str(experiment.challenger)
                steps.append(connection, "split", subject, because=because, actor=actor, data=data)

    def mark_applied(self, experiments: Sequence[Experiment]) -> None:
        """Keep that the gateway splits the traffic of these experiments as their last splits say, from now on."""
        table = tables.splits
        for experiment in experiments:
            last = experiment.splits[-1]
            if last.applied is None:
                named = (table.c.experiment == experiment.id, table.c.since == rows.spell(last.since))
                with self._write() as connection:
                    connection.execute(update(table).where(*named).values(applied=rows.now()))

    def experiments(self, *, active_only: bool = False) -> list[Experiment]:
        """Give experiments, in order of the attempts that began them: it holds where the clock was set back."""
        query = select(tables.experiments).order_by(tables.experiments.c.promotion)
        if active_only:
            query = query.where(tables.experiments.c.ended.is_(None))
        with self._read() as connection:
            return trials.read(connection, query)

    def experiment_of(self, promotion: Promotion) -> Experiment | None:
        """Give the experiment that an attempt takes part in; None while it has not come to that."""
        joined = select(tables.arms.c.experiment).where(tables.arms.c.promotion == promotion.id)
        with self._read() as connection:
            found = trials.read(connection, select(tables.experiments).where(tables.experiments.c.id.in_(joined)))
        return found[0] if found else None

    # --- shadows ---

    def begin_shadow(self, name: RevisionName, share: float, *, until: datetime | None, actor: str) -> None:
        """Mirror a share of production to a revision, in place of the share that it had.

        Raises:
            ConflictError: It has no server that answers, or answers production itself.
        """
        with self._write() as connection:
            revision = steps.get(connection, name)
            if revision.state not in MIRRORED:
                raise ConflictError(
                    f"{name} is {revision.state}, and only a candidate can be a shadow",
                    hint="`rung deploy serving` it first, or `rung revive` it",
                )
            trials.begin_shadow(connection, name, share, until=until, actor=actor)
            because = f"{share:.4g} of production is mirrored to it" + (f" until {until:%F %T}" if until else "")
            steps.append(connection, "shadow", str(name), because=because, actor=actor, data={"share": share})

    def end_shadow(self, name: RevisionName, *, because: str, actor: str) -> None:
        """Mirror nothing to a revision any more; when nothing was mirrored, nothing happens."""
        with self._write() as connection:
            if steps.end_shadow(connection, name):
                steps.append(connection, "shadow", str(name), because=because, actor=actor, data={"share": 0})

    def shadows(self, service: str | None = None, *, active_only: bool = False) -> list[Shadow]:
        """Give shadows, in order of their start."""
        query = select(tables.shadows).order_by(tables.shadows.c.id)
        if service is not None:
            query = query.where(tables.shadows.c.service == service)
        if active_only:
            query = query.where(tables.shadows.c.ended.is_(None))
        with self._read() as connection:
            return [rows.shadow_of(row) for row in connection.execute(query)]

    def keep_look(self, experiment: str, look: Mapping[str, Any], *, for_ever: bool = False) -> None:
        """Keep the figures of the newest look at an A/B test, and those of some for ever: its course."""
        with self._write() as connection:
            changed = update(tables.experiments).where(tables.experiments.c.id == experiment)
            connection.execute(changed.values(look=dict(look)))
            if for_ever:
                row = {"experiment": experiment, "time": rows.now(), "figures": dict(look)}
                connection.execute(insert(tables.looks).values(**row))

    def looks(self, experiment: str) -> list[dict[str, Any]]:
        """Give the course of an A/B test: the figures of looks, each with its `time`."""
        table = tables.looks
        query = select(table).where(table.c.experiment == experiment).order_by(table.c.id)
        with self._read() as connection:
            return [{"time": row.time, **row.figures} for row in connection.execute(query)]

    def crown(self, promotion: Promotion, *, because: str, warm_until: datetime) -> None:
        """Make the candidate of an attempt the incumbent, retire the old one, and end the attempt: all or nothing."""
        name = promotion.revision
        with self._write() as connection:
            old = steps.incumbent(connection, name.service, name.major)
            if old is not None:
                steps.move(
                    connection,
                    old,
                    State.RETIRED,
                    because=f"superseded by {name}",
                    actor="rung",
                    data={},
                    fields={"warm_until": rows.spell(warm_until)},
                )
            steps.move(
                connection,
                name,
                State.INCUMBENT,
                because=because,
                actor="rung",
                data={"promotion": promotion.id},
                fields={"promoted": rows.now()},
            )
            steps.end(connection, promotion, "promoted", because)
            trials.leave(connection, promotion, is_won=True)

    def reject(self, promotion: Promotion, *, because: str, actor: str = "rung") -> None:
        """Tear the candidate of an attempt down and end the attempt: all or nothing."""
        with self._write() as connection:
            steps.move(
                connection,
                promotion.revision,
                State.TORN_DOWN,
                because=because,
                actor=actor,
                data={"promotion": promotion.id},
                fields={},
            )
            steps.end(connection, promotion, "rejected", because)
            trials.leave(connection, promotion, is_won=False)


def _inserted(key: Any) -> int:
    identity: int = key[0]
    return identity
