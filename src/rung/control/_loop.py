"""The reconcile loop: read the facts, decide, apply, look again. What it did twice is done once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rung.control._bundles import Bundles
from rung.control._head_start import FIRST, HeadStart
from rung.control._routing import Endpoint, is_served, routing
from rung.control.servers import COLLECTOR, GATEWAY, GATEWAY_BEFORE, process_name
from rung.control.sleeping import ACTIVATOR
from rung.control.takeover import replace_gateway
from rung.errors import IntegrityError, NotFoundError, RungError, UnavailableError
from rung.gateway import Consumer, Limits
from rung.lifecycle import State, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from rung.compute.protocol import Work
    from rung.control._overuse import Overuse
    from rung.control._upkeep import Upkeep
    from rung.control._usage import Usage
    from rung.control.alerts.watch import Watch
    from rung.control.deployment.deployments import Deployments
    from rung.control.gateways import Gateways
    from rung.control.mirroring import Mirroring
    from rung.control.notebooks import Notebooks
    from rung.control.promotion.automatic import Automatic
    from rung.control.promotion.probation import Probation
    from rung.control.promotion.promotions import Promotions
    from rung.control.promotion.retraining import Retraining
    from rung.control.scaling import Scaling
    from rung.control.sleeping import Sleeping
    from rung.gateway import Gateway, Routing
    from rung.lake import Lake
    from rung.registry import Experiment, Promotion, Revision
    from rung.schema import RevisionName

_TICK_S = 0.5
_SHIP_EVERY_S = 5.0
_ANSWERING = frozenset({State.EXPERIMENTING, State.INCUMBENT, State.RETIRED})
"""Without one of these, production would be answered by others than the registry says."""

_log = structlog.get_logger("rung.control")


@dataclass(slots=True)
class Loop:
    """One control plane's loop; runs in a thread of its own."""

    deployments: Deployments
    promotions: Promotions
    automatic: Automatic
    probation: Probation
    retraining: Retraining
    overuse: Overuse
    lake: Lake
    upkeep: Upkeep
    usage: Usage
    watch: Watch
    gateway: Gateway
    gateways: Gateways
    notebooks: Notebooks
    mirroring: Mirroring
    scaling: Scaling
    sleeping: Sleeping
    keyed: tuple[str, ...] = ()
    """Services whose consumers need a key."""
    _wake: threading.Event = field(default_factory=threading.Event)
    _end: threading.Event = field(default_factory=threading.Event)
    _routing_lock: threading.Lock = field(default_factory=threading.Lock)
    _routed: Routing | None = None
    _routed_servers: frozenset[str] = frozenset()
    """Processes that get requests by it."""
    _bundles: Bundles = field(init=False)
    _stopping: dict[str, threading.Thread] = field(default_factory=dict)
    _head_start: HeadStart = field(default_factory=HeadStart)
    _shipped: float = 0.0
    _shipping: Future[None] | None = None
    _shipper: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "shipping"))
    _tending: dict[str, Future[None]] = field(default_factory=dict)
    _tender: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "upkeep"))

    def __post_init__(self) -> None:
        self._bundles = Bundles(self.deployments.place.workspace.state)

    def run(self) -> None:
        """Look again until `end` is called."""
        self._guarded("gateway_not_replaced", lambda: replace_gateway(self.deployments.servers, self.gateway))
        while not self._end.is_set():
            self._guarded("tick_failed", self.tick)
            self._wake.wait(_TICK_S)
            self._wake.clear()
        self.watch.close()
        self._shipper.shutdown()
        self._tender.shutdown()
        self.upkeep.close()
        for thread in list(self._stopping.values()):
            thread.join()

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()

    def end(self) -> None:
        """Stop looking; servers go on."""
        self._end.set()
        self._wake.set()

    def tick(self) -> None:
        """Look once at everything."""
        registry = self.deployments.registry
        self._guarded("storage_failed", self.deployments.storage.look)
        for revision in registry.watched(datetime.now(UTC)):
            if revision.state in (State.TRAINING, State.TRAINED, State.DEPLOYING):
                self._guarded("deployment_failed", partial(self.deployments.advance, revision))
        self._guarded("candidates_failed", self.deployments.expire)
        self._guarded("shadows_failed", self.promotions.shadows.expire)
        self._guarded("scaling_failed", self._scale)
        self._ensure_servers()
        self._guarded("certificate_failed", self._renew_certificate)
        self._guarded("routing_failed", self.route)
        self._guarded("gateways_failed", self.gateways.look)
        self._stop_unserved()
        self._guarded("automatic_failed", self.automatic.look)
        for promotion in registry.promotions(active_only=True):
            self._guarded("promotion_failed", partial(self._advance, promotion))
        self._guarded("overuse_failed", self.overuse.look)
        self._ship()
        for look in self.notebooks.looks():
            self._guarded("notebook_failed", look)
        self._tend()
        self.watch.tick(self._guarded)

    def _tend(self) -> None:
        """Do in another thread what takes its time and is due; what is still under way is not begun again."""
        for event, chore, work in (
            ("upkeep_failed", self.upkeep, self.upkeep.look),
            ("usage_failed", self.usage, self._look_at_usage),
            ("probation_failed", self.probation, self._look_at_incumbents),
            ("retraining_failed", self.retraining, self.retraining.look),
            ("mirroring_failed", self.mirroring, self.mirroring.look),
            ("holds_failed", self.promotions.holds, self.promotions.holds.look),
        ):
            under_way = self._tending.get(event)
            if chore.is_due() and (under_way is None or under_way.done()):
                self._tending[event] = self._tender.submit(self._guarded, event, work)

    def _look_at_incumbents(self) -> None:
        if self.probation.look():
            self.wake()  # another revision answers production

    def _look_at_usage(self) -> None:
        """Add up what servers used, and tear down candidates that nobody asks, where the policy says so."""
        self.usage.look()
        self.deployments.end_idle(self.usage.last().asked)

    def _advance(self, promotion: Promotion) -> None:
        if not isinstance(self.promotions.advance(promotion), Wait):
            self.wake()  # what was decided has its effect at once

    def route(self) -> None:
        """Make the gateway route as the registry says; what it splits is applied once all other gateways have it.

        Raises:
            GatewayError: It does not answer, or a server that should take over is not healthy.
        """
        with self._routing_lock:
            experiments = self.deployments.registry.experiments(active_only=True)
            wanted = self._wanted_routing(experiments)
            self.gateways.want(wanted)
            if not self.gateway.ready():
                return  # a gateway that is just starting is asked again at the next tick
            if wanted != self._routed:
                self._routed = None  # what the gateway has is not known until it says so
                self._apply(wanted)
            if self.gateways.have(wanted):
                self.deployments.registry.mark_applied(experiments)

    def _renew_certificate(self) -> None:
        if self.gateway.renew():
            _log.info("certificate_renewed")

    def _apply(self, wanted: Routing) -> None:
        self.deployments.registry.check_lead()
        version = self.gateway.apply(wanted)
        self._routed, self._routed_servers = wanted, self._servers_in(wanted)
        _log.info("routed", version=version, majors=[production.name for production in wanted.productions])

    def _servers_in(self, routed: Routing) -> frozenset[str]:
        endpoints = {endpoint for backend in routed.backends for endpoint in backend.endpoints}
        servers, names = self.deployments.servers, self.deployments.registry.processes()
        return frozenset(name for name in names if servers.endpoint_of(name) in endpoints)

    def _wanted_routing(self, experiments: Sequence[Experiment]) -> Routing:
        registry, servers = self.deployments.registry, self.deployments.servers
        endpoints: dict[str, Endpoint] = {}
        served = self._served()
        for revision in served:
            try:
                endpoints[str(revision.name)] = self._endpoint(revision.name)
            except (IntegrityError, NotFoundError) as error:
                if revision.state in _ANSWERING:
                    raise
                _log.error("left_out", revision=str(revision.name), error=str(error))  # the others are routed
        return routing(
            served,
            experiments,
            registry.shadows(active_only=True),
            endpoints,
            outcomes=servers.collector_endpoint,
            server_token=servers.token,
            guarded=self.keyed,
            consumers=[
                Consumer(name=key.name, digest=key.digest, service=key.service)
                for key in (registry.consumer_keys(valid_only=True) if self.keyed else ())
            ],
        )

    def _endpoint(self, name: RevisionName) -> Endpoint:
        bundle, serving = self._bundles.read(name), self._bundles.serving(name)
        return Endpoint(
            addresses=self._addresses(name),
            timeout_s=serving.request_timeout_s + (serving.autoscaling.cold_start_s or 0),
            unit_header=bundle.unit_header,
            limits=Limits.of(serving),
        )

    def _addresses(self, name: RevisionName) -> tuple[str, ...]:
        held_at = self.sleeping.held_at(name)
        return (held_at,) if held_at else tuple(map(self.deployments.servers.endpoint_of, self._servers_of(name)))

    def _served(self) -> list[Revision]:
        now = datetime.now(UTC)
        return [revision for revision in self.deployments.registry.watched(now) if is_served(revision, now)]

    def _scale(self) -> None:
        """Decide how many servers each revision has."""
        served = {}
        for revision in self._served():
            with suppress(IntegrityError, NotFoundError):  # without a bundle it cannot be started either
                served[revision.name] = (revision, self._bundles.serving(revision.name))
        self.scaling.look(served)
        self.sleeping.look({name: serving for name, (_, serving) in served.items()})

    def _ensure_servers(self) -> None:
        servers = self.deployments.servers
        self._stopping = {name: thread for name, thread in self._stopping.items() if thread.is_alive()}
        servers.ensure(COLLECTOR, servers.collector_work)
        alive = servers.alive()
        if GATEWAY not in alive:
            self._routed = None
        servers.ensure(GATEWAY, lambda: servers.gateway_work(self.gateway))
        served = self._served()
        wanted = {
            process: (revision, number)
            for revision in served
            for number, process in enumerate(self._servers_of(revision.name), start=1)
        }
        self._begin_servers(wanted, missing=wanted.keys() - alive - self._stopping.keys())
        for revision in served:
            if self._takes_features(revision.name):
                self._guarded("features_failed", partial(self._follow_data, revision))

    def _begin_servers(self, wanted: Mapping[str, tuple[Revision, int]], *, missing: AbstractSet[str]) -> None:
        """Start the servers that do not run: those of production, and the rest when these answer."""
        first = {process for process, (revision, _) in wanted.items() if revision.state in FIRST}
        noted = first if self._routed is None else first & missing
        is_ready = self.deployments.servers.is_ready
        is_over = self._head_start.is_over(noted, lambda process: is_ready(process)[0], now=time.monotonic())
        begin = missing if is_over else first & missing
        for process, (revision, number) in wanted.items():
            if process in begin:
                self._guarded("server_failed", partial(self._ensure_server, revision.name, number))

    def _servers_of(self, name: RevisionName) -> list[str]:
        """Name the processes that shall serve a revision."""
        return [process_name(name, number) for number in range(1, self.scaling.replicas(name) + 1)]

    def _takes_features(self, name: RevisionName) -> bool:
        """Tell whether features of a revision follow datasets; of one without a bundle, its server has told that."""
        with suppress(IntegrityError, NotFoundError):
            return bool(self._bundles.read(name).datasets)
        return False

    def _ensure_server(self, name: RevisionName, replica: int) -> None:
        on = self._bundles.serving(name).compute
        work = partial(self._server_work, name, replica)
        self.deployments.servers.ensure(process_name(name, replica), work, on=on)

    def _follow_data(self, revision: Revision) -> None:
        name, deployments = revision.name, self.deployments
        deployments.features.follow(name, self._bundles.read(name), deployments.environment(name).python)

    def _server_work(self, name: RevisionName, replica: int) -> Work:
        deployments = self.deployments
        deployments.storage.bring(name)
        bundles = deployments.verify(name)
        environment, bundle, servers = deployments.environment(name), self._bundles.read(name), deployments.servers
        is_local = servers.is_local(self._bundles.serving(name).compute)
        parcel = None if is_local else deployments.parcels.of_server(name, environment)
        return servers.server_work(name, bundle, environment.python, bundles=bundles, replica=replica, parcel=parcel)

    def _stop_unserved(self) -> None:
        """Stop the servers that nothing routes to any more; each in a thread, since it finishes what it has begun."""
        if self._routed is None or not self.gateways.are_settled():
            return
        wanted = {process for revision in self._served() for process in self._servers_of(revision.name)}
        needed = wanted | self._routed_servers | {COLLECTOR, GATEWAY, GATEWAY_BEFORE}
        needed |= {ACTIVATOR} if self.sleeping.is_needed else set()
        for name in self.deployments.registry.processes().keys() - needed - self._stopping.keys():
            _log.info("stopping", server=name)
            thread = threading.Thread(target=self.deployments.servers.stop, args=(name,), name=f"stop {name}")
            self._stopping[name] = thread
            thread.start()

    def _ship(self) -> None:
        """Move what was logged into tables now and then; an A/B test ships at each of its looks itself.

        In a thread of its own, always the same one, which keeps the tables open: tables in a store that does not answer
        must not keep servers from being started again.
        """
        if time.monotonic() - self._shipped < _SHIP_EVERY_S or (self._shipping and not self._shipping.done()):
            return
        self._shipped = time.monotonic()
        self._shipping = self._shipper.submit(self._guarded, "shipping_failed", self.lake.ship)

    def _guarded(self, event: str, work: Callable[[], object]) -> None:
        """The one broad except of the loop: one revision's trouble is logged, and never stops the others."""
        try:
            self.deployments.registry.check_lead()  # what is done outside the registry must not be done by two
            work()
        except UnavailableError as error:
            _log.warning(event, error=str(error), code=error.code)
        except RungError as error:
            _log.error(event, error=str(error), code=error.code)
        except Exception:  # noqa: BLE001  the loop must go on
            _log.exception(event)
