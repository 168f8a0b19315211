"""The use cases of every command, wired in one place: what the API offers, done with the parts of the control plane."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from rung.compute.environments import Environments
from rung.control._access_log import AccessLog
from rung.control._cost import bill
from rung.control._edge import gateway_of, guarded_services
from rung.control._encryption import address_of
from rung.control._loop import Loop
from rung.control._overuse import Overuse
from rung.control._routing import is_served
from rung.control._telemetry import Telemetry
from rung.control._upkeep import Upkeep, retention_of
from rung.control._usage import Usage, idle
from rung.control._view import View, experiment_json
from rung.control.alerts.desk import Desk
from rung.control.alerts.watch import Watch
from rung.control.deployment import packages
from rung.control.deployment.builds import Builds
from rung.control.deployment.deployments import Deployments
from rung.control.deployment.features import Features
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.gateways import Gateways
from rung.control.mirroring import Mirroring
from rung.control.notebooks import Notebooks
from rung.control.promotion.approvals import Approvals
from rung.control.promotion.automatic import Automatic
from rung.control.promotion.bandits import Bandits
from rung.control.promotion.contracts import Contracts
from rung.control.promotion.experiments import Experiments
from rung.control.promotion.gates import Gates
from rung.control.promotion.health import Courses
from rung.control.promotion.probation import Probation
from rung.control.promotion.promotions import Promotions
from rung.control.promotion.retraining import Retraining
from rung.control.promotion.shadows import Shadows
from rung.control.scaling import Scaling
from rung.control.servers import Servers
from rung.control.sleeping import Sleeping
from rung.errors import GatewayError, NotFoundError, RungError
from rung.lake import Lake, open_lake
from rung.lifecycle import MIRRORED, State, check_move
from rung.lineage import trace

if TYPE_CHECKING:
    from datetime import date

    from rung.access import Actor
    from rung.control._fence import Fence
    from rung.control.place import Place
    from rung.registry import Registry
    from rung.schema import RevisionName
    from rung.settings import Price

_REPORTED = timedelta(days=28)  # outcomes that came in within this time are counted
_LOG_PART = 1 << 16  # bytes of a log in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One workspace's platform."""

    place: Place
    registry: Registry
    deployments: Deployments
    promotions: Promotions
    lake: Lake
    loop: Loop
    gateways: Gateways
    view: View
    usage: Usage
    notebooks: Notebooks
    telemetry: Telemetry
    alerts: Desk

    @classmethod
    def open(cls, place: Place, *, registry: Registry, fence: Fence, gateway_port: int) -> Self:
        """Wire the parts; nothing is started yet."""
        place.make()
        settings = place.workspace.settings()
        gateway = gateway_of(place, settings, port=gateway_port, guard=fence.passed)
        gateway_url = address_of(gateway.host, gateway_port, is_encrypted=gateway.certificate is not None)
        deployments = Deployments(
            place=place,
            registry=registry,
            servers=Servers.of(place, registry),
            builds=Builds(place, registry, Environments(place.environments)),
            storage=Storage.open(place, registry),
            trust=Trust.of(place),
            features=Features(place),
            keep_candidates=timedelta(seconds=settings.keep_candidates_s),
        )
        deployments.trust.begin(registry)
        gateways = Gateways(registry=registry, own=gateway)
        usage = Usage(folder=place.usage, registry=registry, gateways=gateways, machines=deployments.servers.machines)
        lake = open_lake(place.workspace)
        lake.adopt(place.lake)
        notebooks = Notebooks(place, registry)
        promotions = Promotions(
            deployments=deployments,
            gates=Gates(deployments, gateway, lake, Contracts(place, registry, gateway)),
            shadows=Shadows(place, registry, lake),
            experiments=Experiments(place, registry, lake, Courses(lake), Bandits(registry, lake)),
            approvals=Approvals(registry),
            keep_warm=timedelta(seconds=settings.keep_warm_s),
        )
        scaling = Scaling(
            registry=registry,
            servers=deployments.servers,
            gateways=gateways,
            local_vcpus=settings.local_vcpus or os.cpu_count() or 1,
        )
        return cls(
            place=place,
            registry=registry,
            deployments=deployments,
            promotions=promotions,
            lake=lake,
            loop=Loop(
                deployments=deployments,
                promotions=promotions,
                automatic=Automatic(promotions),
                probation=Probation(promotions=promotions, lake=lake),
                retraining=Retraining(deployments=deployments),
                overuse=Overuse(deployments, promotions),
                lake=lake,
                upkeep=Upkeep(
                    place=place,
                    registry=registry,
                    lake=lake,
                    access_log=AccessLog(gateway=gateway, packed=place.log.parent / "access"),
                    retention=retention_of(settings),
                ),
                usage=usage,
                watch=Watch.of(deployments, gateways, usage),
                gateway=gateway,
                gateways=gateways,
                notebooks=notebooks,
                mirroring=Mirroring(
                    workspace=place.workspace,
                    registry=registry,
                    tracking=settings.mlflow.tracking if settings.mlflow else None,
                ),
                scaling=scaling,
                sleeping=Sleeping(place=place, servers=deployments.servers, scaling=scaling),
                keyed=guarded_services(settings),
            ),
            gateways=gateways,
            view=View(
                registry=registry,
                gateway_url=gateway_url,
                usage=usage,
                settings=settings,
                turns=deployments.trainings.slots.waiting,
            ),
            usage=usage,
            notebooks=notebooks,
            telemetry=Telemetry(registry=registry, servers=deployments.servers, gateways=gateways, usage=usage),
            alerts=Desk(place=place, registry=registry, settings=settings),
        )

    def deploy_training(
        self, service: str, *, allow_dirty: bool, actor: str, commit: str | None = None
    ) -> RevisionName:
        """Begin the next revision of a service: from a commit, else from what the working tree has."""
        name = self.deployments.begin(service, allow_dirty=allow_dirty, actor=actor, commit=commit)
        with suppress(RungError):  # what is wrong with it is told when it is checked, and when it is promoted
            self.promotions.practice.keep_specification(name, actor=actor)
        packages.look(self.place, self.registry, name)
        self.loop.wake()
        return name

    def retrain(self, service: str, major: int, *, because: str, anyway: bool, actor: str) -> RevisionName:
        """Begin the next revision of a major from the code of its incumbent, on the data of now."""
        name = self.loop.retraining.begin(service, major, because=because, anyway=anyway, actor=actor)
        self.loop.wake()
        return name

    def deploy_serving(self, name: RevisionName, *, actor: str) -> dict[str, Any]:
        """Serve a trained revision."""
        self.deployments.deploy_serving(name, actor=actor)
        packages.look(self.place, self.registry, name)
        self.loop.wake()
        return self.revision(name)

    def promote(self, name: RevisionName, *, actor: str, ignore_plan: bool = False) -> int:
        """Begin an attempt."""
        promotion = self.promotions.begin(name, actor=actor, ignore_plan=ignore_plan)
        self.loop.wake()
        return promotion

    def approve(self, name: RevisionName, *, approves: bool, because: str, actor: Actor) -> dict[str, Any]:
        """Keep that somebody approved the promotion of a revision, or rejected it.

        Raises:
            ConflictError: It does not wait for approval, or they have said the same before.
            NotAllowedError: Their role does not suffice, or they would approve their own.
        """
        self.promotions.approvals.say(name, approves=approves, because=because, actor=actor)
        self.loop.wake()
        return self.revision(name)

    def tear_down(self, name: RevisionName, *, because: str, actor: str) -> dict[str, Any]:
        """Stop a revision; one that is being promoted ends its attempt with it.

        Raises:
            ConflictError: It is the incumbent, or has no server.
        """
        told = f"torn down by {actor}" + (f": {because}" if because else "")
        active = [one for one in self.registry.promotions(name.service, active_only=True) if one.revision == name]
        if active:
            self.promotions.reject(active[0], because=told, actor=actor)
        else:
            self.registry.move(name, State.TORN_DOWN, because=told, actor=actor)
        self.loop.wake()
        return self.revision(name)

    def revive(self, name: RevisionName, *, actor: str) -> dict[str, Any]:
        """Serve a torn-down revision again; it never gets traffic by that.

        Raises:
            ConflictError: It is not torn down, or its files are not what was signed.
        """
        check_move(str(name), self.registry.revision(name).state, State.CANDIDATE)
        self.deployments.verify(name, contents=True)
        self.registry.move(name, State.CANDIDATE, because=f"revived by {actor}", actor=actor)
        self.loop.wake()
        return self.revision(name)

    def rollback(self, service: str, major: int, *, because: str, actor: str) -> dict[str, Any]:
        """Bring the last incumbent back, and return when it answers production.

        Raises:
            ConflictError: There is none that is kept warm, or it does not answer.
        """
        told = because or f"asked for by {actor}"
        name = self.promotions.roll_back(service, major, because=told, actor=actor)
        self.loop.route()
        return self.revision(name)

    def experiment(self, service: str, major: int) -> dict[str, Any]:
        """Tell of the newest A/B test of a major.

        Raises:
            NotFoundError: There has been none.
        """
        return experiment_json(self.promotions.experiments.newest(service, major))

    def pause(self, service: str, major: int, *, because: str, actor: str) -> dict[str, Any]:
        """Send all units to the incumbent until the A/B test is resumed; return when the gateway does."""
        self.promotions.experiments.pause(service, major, because=because, actor=actor)
        self.loop.route()
        return self.experiment(service, major)

    def resume(self, service: str, major: int, *, actor: str) -> dict[str, Any]:
        """Give the challenger of a paused A/B test its share again; return when it has it."""
        self.promotions.experiments.resume(service, major, actor=actor)
        self.loop.route()
        return self.experiment(service, major)

    def abort(self, service: str, major: int, *, because: str, actor: str) -> dict[str, Any]:
        """End an A/B test in favour of the incumbent: its challengers are torn down."""
        running = self.promotions.experiments.running(service, major)
        told = f"A/B test: aborted by {actor}" + (f": {because}" if because else "")
        for promotion in self.registry.promotions(service, active_only=True):
            if promotion.id in running.attempts:
                self.promotions.reject(promotion, because=told, actor=actor)
        self.loop.route()
        return self.experiment(service, major)

    def begin_shadow(self, name: RevisionName, share: float, *, until: datetime | None, actor: str) -> dict[str, Any]:
        """Mirror a share of production to a candidate; 0 ends it.

        Raises:
            ConflictError: It is no candidate, or its major has no incumbent.
        """
        if share:
            if self.registry.revision(name).state in MIRRORED:
                self.promotions.incumbent(name)
            self.registry.begin_shadow(name, share, until=until, actor=actor)
        else:
            self.registry.end_shadow(name, because=f"ended by {actor}", actor=actor)
        self.loop.route()
        return self.promotions.shadows.report(name)

    def revision(self, name: RevisionName) -> dict[str, Any]:
        """Tell of one revision."""
        found = self.registry.revision(name)
        shown = self.view.revision(found)
        ready, reason = self.deployments.servers.is_ready(str(name))
        if ready and found.state is not State.DEPLOYING:
            ready, reason = self._is_reachable(name)
        specification = self.promotions.practice.digest_of(name)
        return {**shown, "ready": ready, "not_ready_because": reason, "specification": specification}

    def _is_reachable(self, name: RevisionName) -> tuple[bool, str]:
        """Tell whether the gateway sends requests to a revision: it looks at a new server within a second."""
        try:
            is_seen = bool(self.loop.gateway.healthy(str(name)))
        except GatewayError as error:
            return False, error.message
        return is_seen, "" if is_seen else "the gateway has not seen its server healthy yet"

    def log(self, name: RevisionName, kind: str, *, offset: int) -> dict[str, Any]:
        """Give a part of a log, and where to read on.

        Raises:
            NotFoundError: There is no such kind of log, or no log yet.
        """
        self.registry.revision(name)
        folder = self.place.revision(name)
        paths = {"server": folder / "server.log"}
        paths |= {job: self.deployments.job(name, job).log for job in ("training", "environment")}
        if kind not in paths:
            raise NotFoundError(f"there is no log {kind!r}", hint=f"the logs are {', '.join(sorted(paths))}")
        if not paths[kind].is_file():
            return {"text": "", "offset": 0}
        with paths[kind].open("rb") as file:
            file.seek(offset)
            part = file.read(_LOG_PART)
        return {"text": part.decode(errors="replace"), "offset": offset + len(part)}

    def metrics(self, service: str, major: int) -> dict[str, Any]:
        """Tell the business metrics of every revision of a major as consumers reported them, and what was reported."""
        self.lake.ship()
        found = self.lake.business(service, major)
        since = datetime.now(UTC) - _REPORTED
        now = datetime.now(UTC)
        served = {str(one.name) for one in self.registry.revisions(service, major) if is_served(one, now)}
        reports = {
            metric: self.lake.outcome_counts(service, major, since=since, metric=metric, served=served)
            for metric in sorted({measured.metric for measured in found})
        }
        return {
            "name": f"{service}.v{major}",
            "metrics": [asdict(measured) for measured in found],
            "outcomes": {name: {**asdict(report), "coverage": report.coverage} for name, report in reports.items()},
        }

    def cost(self, service: str | None, *, since: date, until: date) -> tuple[Price | None, list[dict[str, Any]]]:
        """Tell the prices, and what each revision used from a day to another, both included."""
        settings, now = self.place.workspace.settings(), datetime.now(UTC)
        used = self.usage.since(since, until=until)
        if service is not None:
            used = {name: use for name, use in used.items() if name.startswith(f"{service}.")}
        idling = idle(self.registry.watched(now), self.usage.last().asked, settings, now)
        return settings.price, bill(used, self.registry.revisions(service), price=settings.price, idle=idling)

    def prediction(self, identity: str) -> dict[str, Any]:
        """Trace a prediction to its revision, to what that was made of, why it answered then, and what came of it.

        Raises:
            NotFoundError: No prediction of that id was logged.
        """
        state = self.place.workspace.state
        return trace(identity, registry=self.registry, lake=self.lake, state=state)
