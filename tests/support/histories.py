"""Histories: what the log of a registry tells, as lines of JSON, and their replay through the registry's operations.

`python tests/support/histories.py REGISTRY_FOLDER` prints the history of a registry, without what is the machine's own.
Each line is an event and who answered production after it: a change of a decision, a move or the routing shows up when
the histories in `tests/support/histories` are replayed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.control._routing import Endpoint, is_served, routing
from rung.control.promotion.bandits import joined
from rung.gateway import Limits, Routing
from rung.lifecycle import Gate, SplitKind, State, Verdict, VerdictKind
from rung.registry import open_registry
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from rung.registry import Event, Promotion, Registry

FOLDER = Path(__file__).parent / "histories"
Line = dict[str, Any]

_KEPT = ("gate", "kind", "promotion", "experiment", "shares", "share", "from")
"""Of an event's data: what the replay needs."""
_WARM = timedelta(days=1)


def read(path: Path) -> list[Line]:
    """Read a history."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Tell events as lines, without times, people and figures."""
    return [
        {
            "kind": event.kind,
            "subject": event.subject,
            "because": event.because,
            "data": {name: event.data[name] for name in _KEPT if name in event.data},
        }
        for event in events
    ]


def answering(registry: Registry) -> dict[str, dict[str, int]]:
    """Tell who answers production: by major, the buckets of each revision."""
    made = routed(registry)
    found: dict[str, dict[str, int]] = {}
    for production in made.productions:
        arms = {arm.revision: arm.weight for arm in production.arms}
        if production.incumbent is not None:
            found[production.name] = arms or {production.incumbent: 10_000}
    return found


def routed(registry: Registry) -> Routing:
    """Compute the routing, with a server for every revision that is served."""
    now = datetime.now(UTC)
    endpoints = {
        str(one.name): Endpoint(
            addresses=(f"unix:/s/{one.name}",), timeout_s=5, unit_header="x-unit-id", limits=Limits()
        )
        for one in registry.revisions()
        if is_served(one, now)
    }
    return routing(
        registry.revisions(),
        registry.experiments(active_only=True),
        registry.shadows(active_only=True),
        endpoints,
        outcomes="unix:/s/collector",
    )


@dataclass(slots=True)
class Replay:
    """Does again what a history tells, through the operations that the control plane uses."""

    registry: Registry
    joint: Collection[str]
    """Revisions whose attempts may run side by side."""
    _retired: list[str] = field(default_factory=list)
    """Reasons of retirements whose other half, the new incumbent, comes next."""

    def steps(self, lines: Sequence[Line]) -> Iterator[Line]:
        """Do one line after the other; give each that ends an operation."""
        for line in lines:
            if line["kind"] == State.RETIRED:
                self._retired.append(line["because"])
            elif line["kind"] == "gate" and line["data"]["gate"] in (Gate.SHADOW, Gate.APPROVAL):
                continue  # told together with the move
            else:
                self._do(line)
                yield line

    def _do(self, line: Line) -> None:
        doing: Mapping[str, Callable[[RevisionName, Line], object]] = {
            State.TRAINING: self._create,
            State.TESTING: lambda name, _: self.registry.begin_promotion(
                name, actor="anna", joint=str(name) in self.joint
            ),
            State.SHADOWING: self._mirror,
            State.EXPERIMENTING: self._try,
            State.INCUMBENT: self._crown,
            State.TORN_DOWN: self._tear_down,
            "gate": lambda name, line: self.registry.begin_gate(
                self._attempt(name), Gate(line["data"]["gate"]), because=line["because"]
            ),
            "verdict": self._judge,
            "split": self._split,
        }
        name = RevisionName.parse(line["subject"])
        if line["kind"] in doing:
            doing[line["kind"]](name, line)
        elif line["kind"] in frozenset(State):
            self.registry.move(name, State(line["kind"]), because=line["because"], actor="anna")
        else:
            self.registry.record_event(line["kind"], line["subject"], because=line["because"], actor="rung")

    def _create(self, name: RevisionName, _: Line) -> None:
        made = self.registry.create_revision(name.service, name.major, actor="anna", commit="abc", dirty=False)
        assert made == name

    def _mirror(self, name: RevisionName, line: Line) -> None:
        self.registry.begin_shadowing(self._attempt(name), share=0.2, because=line["because"])

    def _try(self, name: RevisionName, line: Line) -> None:
        attempt, identity = self._attempt(name), line["data"]["experiment"]
        for running in self.registry.experiments(active_only=True):
            if running.id == identity:
                self.registry.join_experiment(attempt, running, shares=joined(running, name))
                return
        share = float(line["because"].rpartition(": ")[2].partition("%")[0]) / 100
        design = {"bandit": {}} if attempt.joint else {}
        shares = {str(name): share, str(self._incumbent(name)): 1 - share}
        made = self.registry.begin_experiment(attempt, self._incumbent(name), design=design, shares=shares)
        assert made == identity

    def _judge(self, name: RevisionName, line: Line) -> None:
        gate, kind = Gate(line["data"]["gate"]), VerdictKind(line["data"]["kind"])
        self.registry.add_verdict(self._attempt(name), Verdict(gate=gate, kind=kind, because=line["because"]))

    def _split(self, _: RevisionName, line: Line) -> None:
        identity, kind = line["data"]["experiment"], SplitKind(line["data"]["kind"])
        (found,) = [one for one in self.registry.experiments(active_only=True) if one.id == identity]
        self.registry.split(found, line["data"]["shares"], kind=kind, because=line["because"], actor="anna")

    def _crown(self, name: RevisionName, line: Line) -> None:
        """Do what ends with a new incumbent: a promotion, or a rollback, which tells where it comes from."""
        warm_until, retired = datetime.now(UTC) + _WARM, self._retired
        self._retired = []
        if "from" in line["data"]:
            because = line["because"].partition(": ")[2]
            found = self.registry.rollback(
                name.service, name.major, because=because, actor="anna", warm_until=warm_until
            )
            assert found == name
            return
        assert len(retired) <= 1
        self.registry.crown(self._attempt(name), because=line["because"], warm_until=warm_until)

    def _tear_down(self, name: RevisionName, line: Line) -> None:
        if "promotion" in line["data"]:
            self.registry.reject(self._attempt(name), because=line["because"])
        else:
            self.registry.move(name, State.TORN_DOWN, because=line["because"], actor="anna")

    def _attempt(self, name: RevisionName) -> Promotion:
        (found,) = [one for one in self.registry.promotions(active_only=True) if one.revision == name]
        return found

    def _incumbent(self, name: RevisionName) -> RevisionName:
        revisions = self.registry.revisions(name.service, name.major)
        (found,) = [one.name for one in revisions if one.state is State.INCUMBENT]
        return found


def joint_in(lines: Sequence[Line]) -> set[str]:
    """Name the revisions that shared a bandit: their attempts may run side by side."""
    arms: dict[str, set[str]] = {}
    for line in lines:
        if line["kind"] == State.EXPERIMENTING:
            arms.setdefault(line["data"]["experiment"], set()).add(line["subject"])
    return {name for names in arms.values() if len(names) > 1 for name in names}


def main() -> None:
    """Print the history of a registry."""
    with open_registry(Path(sys.argv[1])) as registry:
        lines = told(registry.events(limit=1_000_000))
    with tempfile.TemporaryDirectory() as folder, open_registry(Path(folder)) as again:
        for line in Replay(registry=again, joint=joint_in(lines)).steps(lines):
            line["answering"] = answering(again)
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
