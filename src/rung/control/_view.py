"""What people and programs are shown: status, history, why; from the registry alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rung.control._usage import idle, idle_told
from rung.control.deployment.builds import ENVIRONMENT, failures_of
from rung.control.deployment.memory import MEMORY
from rung.control.deployment.packages import PACKAGES
from rung.control.deployment.trainings import RESUMED
from rung.control.practice.holds import held_majors
from rung.control.practice.practice import path_facts
from rung.control.promotion.approvals import Approvals
from rung.control.scaling import SCALED
from rung.control.servers import revision_of
from rung.errors import NotFoundError
from rung.lifecycle import SERVED, State, VerdictKind
from rung.practice import steps
from rung.schema import ABTest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.control._usage import Usage
    from rung.lifecycle import Turn
    from rung.registry import Alert, Event, Experiment, Promotion, Registry, Revision
    from rung.schema import RevisionName
    from rung.settings import Settings

_NEXT = {
    State.TRAINING: "wait: `rung logs {name}` shows its training",
    State.TRAINED: "`rung deploy serving {name}`",
    State.FAILED: "mend the cause, commit, `rung deploy training {service}`",
    State.DEPLOYING: "wait: `rung logs {name} --server` shows its server",
    State.TESTING: "wait: `rung promote {name}` shows its tests",
    State.AWAITING_APPROVAL: "`rung approve {name} --because ...`, or `rung reject`",
    State.SHADOWING: "wait: `rung promote {name}` shows its tests",
    State.EXPERIMENTING: "wait for outcomes: `rung promote {name}` shows the A/B test",
    State.INCUMBENT: "it answers production; `rung deploy training {service}` begins the next revision",
    State.TORN_DOWN: "`rung why {name}`; then the next revision, or `rung revive {name}` to look at it",
}


_EVENTS = 10_000  # of one revision, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was last seen of revisions' servers, by name."""

    environments: Mapping[str, Event]
    memory: Mapping[str, Event]
    asked: Mapping[str, float]
    """When they were last asked, seconds since 1970."""
    servers: Mapping[str, int]
    """How many they have on record."""
    scaled: Mapping[str, Event]
    """When their number changed last."""
    turns: Mapping[str, Turn]
    """Of trainings that wait for a slot."""
    resumed: Mapping[str, Event]
    """When their trainings were cut off last, and begun again."""
    packages: Mapping[str, Event]
    """What the machine lacks of their packages."""
    verdicts: Mapping[str, Event]
    """The last of their gates."""

    def memory_of(self, revision: Revision) -> dict[str, Any] | None:
        """Tell what a revision's server took when it was deployed, in bytes and a sentence; None without a server."""
        event = self.memory.get(str(revision.name)) if _may_have_server(revision) else None
        return None if event is None else {**event.data, "told": event.because}

    def scaled_of(self, revision: Revision) -> str | None:
        """Say why a revision has as many servers as it has; None when their number never changed."""
        event = self.scaled.get(str(revision.name)) if _may_have_server(revision) else None
        return None if event is None else event.because

    def troubles(self, revision: Revision) -> list[str]:
        """Say in sentences what is not as it should be with a revision that trains or has a server."""
        told = self.packages.get(str(revision.name))
        lacking = [told.because] if told is not None and told.data["is_lacking"] else []
        if revision.state is State.TRAINING:
            resumed = self.resumed.get(str(revision.name))
            return lacking if resumed is None else [resumed.because, *lacking]
        if not _may_have_server(revision):
            return []
        environment, memory = self.environments.get(str(revision.name)), self.memory_of(revision)
        found = [environment.because] if environment is not None and failures_of(environment) else []
        if memory is not None and memory["is_above"]:
            found.append(f"its server takes {memory['told']}")
        return found + lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Reads for one registry."""

    registry: Registry
    gateway_url: str
    usage: Usage
    settings: Settings
    turns: Callable[[], Mapping[str, Turn]] = dict
    """Gives the turns of the trainings that wait for a slot, by revision."""

    def status(self, service: str | None = None) -> dict[str, Any]:
        """Tell of each service which revisions there are, in which state, and what comes next."""
        majors: dict[str, dict[int, list[Revision]]] = {}
        for revision in self.registry.revisions(service):
            majors.setdefault(revision.name.service, {}).setdefault(revision.name.major, []).append(revision)
        looks = {str(found.incumbent): found for found in self.registry.experiments(active_only=True)}
        seen, alerts = self._look(service), self.registry.alerts()
        held = held_majors(self.registry, service)
        services = [
            {
                "name": name,
                "majors": [self._major(number, revisions, looks, seen) for number, revisions in found.items()],
                "alerts": [alert_json(one) for one in alerts if one.service == name],
                "next": _next(name, found, held),
                "on_hold": {major: because for major, because in held.items() if major.startswith(f"{name}.v")},
            }
            for name, found in majors.items()
        ]
        own = [alert_json(one) for one in alerts if one.service == "*"]
        return {"gateway": self.gateway_url, "services": services, "alerts": own}

    def _look(self, service: str | None) -> _Seen:
        return _Seen(
            environments=self.registry.latest(ENVIRONMENT, service),
            memory=self.registry.latest(MEMORY, service),
            asked=self.usage.last().asked,
            servers=Counter(map(revision_of, self.registry.processes())),
            scaled=self.registry.latest(SCALED, service),
            turns=self.turns(),
            resumed=self.registry.latest(RESUMED, service),
            packages=self.registry.latest(PACKAGES, service),
            verdicts=self.registry.latest("verdict", service),
        )

    def _major(
        self, number: int, revisions: list[Revision], looks: dict[str, Experiment], seen: _Seen
    ) -> dict[str, Any]:
        def holder(state: State) -> str | None:
            return next((str(revision.name) for revision in revisions if revision.state is state), None)

        running = looks.get(holder(State.INCUMBENT) or "")
        shown: dict[str, Any] = {
            "major": number,
            "incumbent": holder(State.INCUMBENT),
            "challenger": holder(State.EXPERIMENTING),
            "revisions": [self.revision(revision, seen) for revision in revisions],
        }
        if running is not None:
            shown["experiment"] = experiment_json(running)
        return shown

    def revision(self, revision: Revision, seen: _Seen | None = None) -> dict[str, Any]:
        """Tell of one revision; `seen` saves a look when many are told of."""
        name = revision.name
        seen = seen or self._look(name.service)
        following = _NEXT.get(revision.state, "")
        if revision.state is State.CANDIDATE:
            following = _of_candidate(name, seen.verdicts.get(str(name)))
        if revision.state is State.TRAINED and revision.origin is not None:
            following = "wait: it was retrained, and is deployed by itself"
        if (turn := seen.turns.get(str(name))) is not None:
            following = f"wait: place {turn.place} of the queue (`rung queue`), as {turn.because}"
        shown = {
            "id": str(name),
            "state": revision.state,
            "benchmark": name.is_benchmark,
            "reason": revision.reason,
            "since": revision.since.isoformat(),
            "created": revision.created.isoformat(),
            "actor": revision.actor,
            "run": revision.run,
            "commit": revision.commit,
            "dirty": revision.dirty,
            "origin": None if revision.origin is None else revision.origin.to_json(),
            "url": f"{self.gateway_url}/{name.service}/v{name.major}/m{name.minor}",
            "next": following.format(name=name, service=name.service),
            "servers": seen.servers.get(str(name), 0),
            "scaled": seen.scaled_of(revision),
            "memory": seen.memory_of(revision),
            "troubles": seen.troubles(revision),
            "idle": self._idle(revision, seen),
        }
        if revision.state is State.AWAITING_APPROVAL:
            shown["approval"] = self._approval(name)
        return shown

    def _idle(self, revision: Revision, seen: _Seen) -> str | None:
        """Say for how long nobody has asked a revision that is idle."""
        now = datetime.now(UTC)
        found = idle([revision], seen.asked, self.settings, now)
        return next((idle_told(since, now) for since in found.values()), None)

    def _approval(self, name: RevisionName) -> dict[str, Any] | None:
        attempts = self.registry.promotions(name.service, active_only=True)
        approvals = Approvals(self.registry)
        return next((approvals.shown(found) for found in attempts if found.revision == name), None)

    def history(self, service: str, major: int | None = None) -> dict[str, Any]:
        """Tell which revision answered production from when to when, and all events."""
        name = service if major is None else f"{service}.v{major}"
        events = [event for event in self.registry.events(service=service) if _concerns(event, name)]
        if not events:
            raise NotFoundError(f"nothing has happened to {name}", hint="`rung status` names the services")
        reigns: list[dict[str, Any]] = []
        for event in events:
            if event.kind == State.RETIRED:
                for reign in reigns:
                    if reign["revision"] == event.subject and reign["until"] is None:
                        reign.update(until=event.time.isoformat(), ended_because=event.because)
            elif event.kind == State.INCUMBENT:
                reigns.append(
                    {
                        "revision": event.subject,
                        "from": event.time.isoformat(),
                        "until": None,
                        "because": event.because,
                        "ended_because": None,
                    }
                )
        return {"name": name, "incumbents": reigns, "events": [event_json(event) for event in events]}

    def why(self, name: RevisionName) -> dict[str, Any]:
        """Tell of one revision why it is what it is: every attempt with its verdicts, and every move."""
        revision = self.registry.revision(name)
        attempts = self.registry.promotions_of(name)
        events = self.registry.newest_events(name, limit=_EVENTS)
        known = self.registry.experiments_with(found.id for found in attempts)
        tests = {attempt: found for found in known for attempt in found.attempts}
        papers = [event.data.get("papers") for event in events if event.kind == State.TESTING]
        return {
            "revision": self.revision(revision),
            "attempts": [
                {**_attempt(found, tests.get(found.id)), "papers": begun}
                for found, begun in zip_longest(attempts, papers[: len(attempts)])
            ],
            "events": [event_json(event) for event in events],
        }

    def why_major(self, service: str, major: int) -> dict[str, Any]:
        """Tell why the incumbent of a major is the incumbent.

        Raises:
            NotFoundError: There is none.
        """
        incumbent = self.registry.incumbent(service, major)
        if incumbent is None:
            raise NotFoundError(
                f"{service}.v{major} has no incumbent", hint=f"name a revision: `rung why {service}.v{major}.m1`"
            )
        return self.why(incumbent)


def alert_json(alert: Alert) -> dict[str, Any]:
    """Give of an alert what tells it from others."""
    plain = {name: getattr(alert, name) for name in ("id", "severity", "kind", "subject", "because")}
    return {**plain, "about": alert.about}


def event_json(event: Event) -> dict[str, Any]:
    """Give an event as plain data."""
    return {
        "id": event.id,
        "time": event.time.isoformat(),
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "because": event.because,
        "data": dict(event.data),
    }


def promotion_json(promotion: Promotion) -> dict[str, Any]:
    """Give an attempt as plain data."""
    return {
        "id": promotion.id,
        "revision": str(promotion.revision),
        "actor": promotion.actor,
        "started": promotion.started.isoformat(),
        "ended": promotion.ended.isoformat() if promotion.ended else None,
        "outcome": promotion.outcome,
        "because": promotion.because,
        "gate": promotion.gate,
        "policy": promotion.policy and dict(promotion.policy),
        "verdicts": [
            {
                "gate": verdict.gate,
                "kind": verdict.kind,
                "because": verdict.because,
                "evidence": dict(verdict.evidence),
            }
            for verdict in promotion.verdicts
        ],
    }


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """Give an A/B test as plain data."""
    test = ABTest.model_validate(experiment.design)
    return {
        "id": experiment.id,
        "incumbent": str(experiment.incumbent),
        "challenger": str(experiment.challenger),
        "bandit": experiment.is_bandit,
        "started": experiment.started.isoformat(),
        "deadline": (experiment.started + test.deadline).isoformat(),
        "ended": experiment.ended.isoformat() if experiment.ended else None,
        "shares": dict(experiment.shares),
        "paused": experiment.splits[-1].is_pause,
        "splits": [
            {
                "since": split.since.isoformat(),
                "kind": split.kind,
                "shares": dict(split.shares),
                "because": split.because,
                "actor": split.actor,
            }
            for split in experiment.splits
        ],
        "design": dict(experiment.design),
        "look": experiment.look,
    }


def _next(service: str, majors: Mapping[int, Sequence[Revision]], held: Mapping[str, str]) -> str:
    """Say what comes next for a service, as far as the registry alone can tell."""
    major = max(majors)
    on_hold = held.get(f"{service}.v{major}")
    return steps(path_facts(service, major, majors[major], on_hold=on_hold)).next


def _attempt(promotion: Promotion, experiment: Experiment | None) -> dict[str, Any]:
    shown = promotion_json(promotion)
    if experiment is not None:
        shown["experiment"] = experiment_json(experiment)
    return shown


def _may_have_server(revision: Revision) -> bool:
    return revision.state in SERVED or revision.state is State.RETIRED


def _concerns(event: Event, name: str) -> bool:
    return event.subject == name or event.subject.startswith(f"{name}.")


def _of_candidate(name: RevisionName, verdict: Event | None) -> str:
    if name.is_benchmark:
        return "it is what others are compared with"
    if verdict is not None and verdict.data["kind"] == VerdictKind.FAIL:
        failed = f"it failed the {verdict.data['gate']} gate"
        return f"{failed}: `rung deploy training {name.service}` makes the next revision"
    return f"`rung promote {name}`"
