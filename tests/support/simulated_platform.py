"""The control plane without processes: its real registry, loop, routing, promotions and use cases in a simulated world.

What lies outside of the control plane is simulated where the control plane touches it: the clock, the processes of
servers, the jobs of gates, the gateway, and the lake's sums. Everything in between is the code that runs in production.
The world may die at any write of the registry, let somebody else act just before one, or refuse all writes of a control
plane that has been replaced.
"""

from __future__ import annotations

import dataclasses
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import tiny_service
from experiment_document import written
from simulated_clock import SimulatedClock

from rung.control._fence import Fence
from rung.control._platform import Platform
from rung.control.deployment.agreement import Agreement as Answers
from rung.control.deployment.deployments import Deployments
from rung.control.deployment.trainings import Trainings
from rung.control.place import Place
from rung.control.promotion.bandits import Bandits
from rung.control.servers import COLLECTOR, GATEWAY
from rung.errors import GatewayError, LeaseLostError, UnavailableError
from rung.gateway import Routing
from rung.lake._arms import ArmSums, Comparison, OutcomeCounts
from rung.lake._health import Health
from rung.lake._rewards import BanditArm
from rung.lifecycle import Gate, State, Verdict, VerdictKind
from rung.registry import open_registry
from rung.schema import ABTest, Bandit, BusinessMetric, RampStep, RevisionName, Shadowing
from rung.serving import Bundle, write_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rung.registry import Experiment, Promotion, Registry, Revision

SERVICE = "tiny"
MAJOR = 1
OPERATOR = "anna"
TEST_DEADLINE = timedelta(minutes=30)

_METRIC = BusinessMetric(
    name="right",
    kind="proportion",
    goal="maximize",
    role="decision",
    minimum_effect=0.1,
    source="the test",
    proximity="it is the truth",
    fidelity="as it was computed",
    priority="high",
)
DESIGNS: Mapping[str, ABTest] = {
    "plain": ABTest(metrics=(_METRIC,), deadline=TEST_DEADLINE),
    "ramp": ABTest(
        metrics=(_METRIC,),
        deadline=TEST_DEADLINE,
        share=0.5,
        ramp=(
            RampStep(share=0.05, hold=timedelta(minutes=1)),
            RampStep(share=0.2, hold=timedelta(minutes=1)),
        ),
    ),
    "shadow": ABTest(
        metrics=(_METRIC,),
        deadline=TEST_DEADLINE,
        shadow=Shadowing(share=0.5, hold=timedelta(minutes=1), requests=10, deadline=timedelta(minutes=15)),
    ),
    "bandit": ABTest(metrics=(_METRIC,), deadline=TEST_DEADLINE, bandit=Bandit()),
}
"""The ways to production that a revision may declare."""

_HARDWARE: dict[str, Any] = {"vcpus": 1, "memory_gib": 1, "gpus": 0, "disk_gib": 1}
_INFRASTRUCTURE: dict[str, Any] = {
    "training": _HARDWARE,
    "serving": {
        **_HARDWARE,
        "request_timeout_s": 5,
        "gunicorn_workers": 2,
        "autoscaling": {"minimum": 1, "maximum": 1, "target_concurrency": 8},
        "batching": {"max_instances": 8},
    },
}
_UNITS = 4_000  # of an experiment whose evidence suffices
_RATES = {"better": (0.8, 0.4), "worse": (0.4, 0.8), "equal": (0.5, 0.5)}
_AGREED = Answers(rows=0, kept=0, differing=0, largest_difference=0.0, max_difference=0.0, first=None, skipped="none")


class DiedError(BaseException):
    """The process is gone: nothing above may catch it and go on."""


@dataclass(slots=True)
class Faults:
    """What the world does to one control plane at its writes of the registry."""

    writes: int = 0
    """Begun since the plan was made."""
    dies_before: int = 0
    """The number of the write before which the process dies; 0: none."""
    dies_after: int = 0
    """The number of the write after whose commit it dies."""
    interrupted_before: int = 0
    """The number of the write before which somebody else acts."""
    interruption: Callable[[], None] | None = None
    is_replaced: bool = False
    """Another control plane leads, and the registry refuses this one."""
    is_down: bool = False
    """The database does not take writes."""

    @contextmanager
    def write(self, original: Callable[[], Any]) -> Iterator[Any]:
        """Stand in for the registry's way into a transaction."""
        self._before()
        number = self.writes
        with original() as connection:
            yield connection
        if number == self.dies_after:
            raise DiedError

    def _before(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.writes += 1
        if self.is_replaced:
            raise LeaseLostError("another control plane leads (the registry says so)")
        if self.is_down:
            raise UnavailableError("the registry did not take the change (the world says so)")
        if self.writes == self.dies_before:
            raise DiedError
        if self.writes == self.interrupted_before and self.interruption is not None:
            interruption, self.interruption = self.interruption, None
            interruption()


@dataclass(slots=True)
class World:
    """All that is there while control planes come and go."""

    folder: Path
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    processes: dict[str, bool] = field(default_factory=dict)
    """By name: whether it answers. What is not here does not run."""
    stopping: set[str] = field(default_factory=set)
    """Told to stop, and finishing what they have begun."""
    is_gateway_willing: bool = True
    routing: Routing = field(default_factory=Routing)
    """What the gateway routes by."""
    is_routing_known: bool = False
    """The gateway has acknowledged it, and nothing has changed since."""
    jobs: dict[tuple[int, str], Verdict | None] = field(default_factory=dict)
    """Of gates, by attempt: None while they run, then what they found."""
    gates_fail_to_start: bool = False
    evidence: dict[str, str] = field(default_factory=dict)
    """Of experiments, by id: `better`, `worse`, `equal`, `unhealthy`, `away`; nothing: no outcome has come."""
    mirrored: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By shadow: answers, and failures among them."""
    evidence_marks: int = 0
    applied: list[Callable[[Routing], None]] = field(default_factory=list)
    """Are told of each routing just before the gateway takes it."""

    @property
    def place(self) -> Place:
        """Where the control plane keeps its things."""
        return Place(workspace=Workspace(root=self.folder, state=self.folder / ".rung"))

    def end_stopping(self) -> set[str]:
        """Let servers that were told to stop come to their end."""
        for thread in threading.enumerate():
            if thread.name.startswith("stop "):
                thread.join()
        ended, self.stopping = self.stopping, set()
        for name in ended:
            self.processes.pop(name, None)
        return ended

    def write_revision(self, name: RevisionName, design: str) -> None:
        """Write what a trained revision leaves behind: bundle, specification, experiment document."""
        bundle = Bundle(
            revision=str(name),
            run=str(name),
            artifacts={},
            contract={},
            infrastructure=_INFRASTRUCTURE,
            ab_test=DESIGNS[design].model_dump(mode="json"),
            example={},
        )
        write_bundle(self.place.workspace.state, bundle)
        folder = self.place.source(name) / "experiments" / SERVICE
        document = folder / "experiments" / f"v{name.major}.m{name.minor}.md"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(written("Better"))
        (folder / "specification.md").write_text(dedent(tiny_service.SPECIFICATION).lstrip())


@dataclass(slots=True, kw_only=True)
class ControlPlane:
    """One control plane: built anew after each death, from nothing but the registry and the world."""

    world: World
    faults: Faults
    platform: Platform

    @classmethod
    def begin(cls, world: World) -> ControlPlane:
        """Wire it as production does, then put the world in place of what it would start or ask."""
        faults = Faults()
        registry: Any = open_registry(world.place.workspace.state)
        fence = Fence(world.place.fence_file)
        platform = Platform.open(world.place, registry=registry, fence=fence, gateway_port=4780)
        original = registry._write  # noqa: SLF001  every change of the registry goes through it
        registry._write = lambda: faults.write(original)  # noqa: SLF001  as above
        return cls(world=world, faults=faults, platform=_in_world(platform, world, faults))

    @property
    def registry(self) -> Registry:
        """What it knows."""
        return self.platform.registry

    @property
    def operators(self) -> Platform:
        """The use cases as an operator's thread runs them: the loop's lock on the gateway makes it wait its turn."""
        loop: Any = SimpleNamespace(
            wake=self.platform.loop.wake, route=self._route_unless_busy, gateway=self.platform.loop.gateway
        )
        return dataclasses.replace(self.platform, loop=loop)

    def tick(self) -> None:
        """Look once, as the loop does, and let servers end that were stopped before."""
        self.faults.writes = 0
        for name in self.world.end_stopping():
            with suppress(UnavailableError):
                self.registry.forget_process(name)
        loop = self.platform.loop
        loop._guarded("tick_failed", loop.tick)  # noqa: SLF001  as its thread calls it
        if loop._shipping is not None:  # noqa: SLF001  the world stands still between two looks
            wait([loop._shipping])  # noqa: SLF001  as above

    def wanted(self) -> Routing:
        """Compute the routing from the registry as it is now."""
        experiments = self.registry.experiments(active_only=True)
        return self.platform.loop._wanted_routing(experiments)  # noqa: SLF001  the very code that routes

    def end(self) -> None:
        """Let go of what a dead process would have let go of."""
        self.platform.loop.end()
        self.platform.loop.run()  # ends at once, with its threads
        self.platform.registry.close()

    def _route_unless_busy(self) -> None:
        if not self.platform.loop._routing_lock.locked():  # noqa: SLF001  the loop itself would wait
            self.platform.loop.route()


def _in_world(platform: Platform, world: World, faults: Faults) -> Platform:
    lake: Any = SimulatedLake(world, platform.registry)
    deployments = Trained(
        **{
            one.name: getattr(platform.deployments, one.name)
            for one in dataclasses.fields(platform.deployments)
            if one.init
        }
    )
    deployments.servers = SimulatedServers(world, platform.registry)  # type: ignore[assignment]  # the world's
    promotions = platform.promotions
    promotions.deployments = deployments
    promotions.gates = SimulatedGates(world)  # type: ignore[assignment]  # the world's
    promotions.shadows.lake = lake
    promotions.experiments.lake = lake
    promotions.experiments.courses.lake = lake
    promotions.experiments.bandits = Bandits(platform.registry, lake)
    loop = platform.loop
    loop.deployments, loop.lake = deployments, lake
    loop.overuse.deployments = deployments
    loop._tender = loop._shipper = AtOnce()  # noqa: SLF001  what threads would do in between could not be repeated
    loop.upkeep = loop.usage = loop.mirroring = NeverDue()  # type: ignore[assignment]  # they look at the real machine
    loop.watch = Unwatched()  # type: ignore[assignment]  # alerts come of threads, and of a process for what was asked
    loop.gateway = SimulatedGateway(world, faults)  # type: ignore[assignment]  # the world's
    return dataclasses.replace(platform, deployments=deployments, lake=lake)


class NeverDue:
    """A chore that has nothing to do with the lifecycle."""

    def is_due(self) -> bool:
        return False

    def look(self) -> None:
        raise AssertionError("it was not due")

    def close(self) -> None:
        """Nothing is open."""


class Unwatched:
    """Nobody looks for what is worth an alert."""

    def tick(self, guarded: object) -> None:
        del guarded

    def close(self) -> None:
        """Nothing is open."""


class AtOnce(ThreadPoolExecutor):
    """Does what it is asked before it returns, in the thread that asks."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*given, **named))
        return done


class AlwaysTrained(Trainings):
    """Trainings in the world, which succeed at once."""

    __slots__ = ()

    def advance(self, revision: Revision) -> None:
        self.registry.move(revision.name, State.TRAINED, because="its training succeeded", actor="rung")


class Trained(Deployments):
    """Deployments in the world: trainings succeed at once; a server that answers, answers as in its evaluation."""

    __slots__ = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {one.name: getattr(self.trainings, one.name) for one in dataclasses.fields(Trainings) if one.init}
        self.trainings = AlwaysTrained(**given)

    def environment(self, name: RevisionName) -> Any:
        return SimpleNamespace(key=str(name), python=Path("python"))

    def _check(self, name: RevisionName) -> Answers | str:
        ready, because = self.servers.is_ready(str(name))
        return _AGREED if ready else because

    def verify(self, name: RevisionName, *, contents: bool = False) -> dict[str, str]:  # noqa: ARG002  as the real one
        return {}

    def memory(self, name: RevisionName, server: object = None) -> None:
        del name, server


@dataclass(slots=True)
class SimulatedServers:
    """Processes of the world, on record in the registry before they begin, as the real ones are."""

    world: World
    registry: Registry

    collector_endpoint = "unix:/s/collector"
    token = None

    def running(self, name: str) -> object | None:
        """Give a process that is on record and lives."""
        return name if name in self.registry.processes() and name in self.world.processes else None

    def alive(self) -> frozenset[str]:
        """Name the processes that are on record and live."""
        return frozenset(self.registry.processes()) & self.world.processes.keys()

    def is_local(self, kind: str | None) -> bool:  # noqa: ARG002  as the real one is asked
        """Tell that all run on this machine."""
        return True

    def is_arriving(self, name: str) -> bool:  # noqa: ARG002  as the real one is asked
        """Tell that nothing is brought to a machine elsewhere."""
        return False

    def ensure(self, name: str, work: Callable[[], object], *, on: str | None = "local") -> bool:
        """Start a process unless it runs."""
        del on
        if self.running(name) is not None:
            return True
        work()
        self.registry.keep_process(name, {"pid": 0, "started": 0.0, "boot": "", "keeper": None})
        self.world.processes[name] = True
        return True

    def stop(self, name: str, *, grace_s: float = 10.0) -> None:  # noqa: ARG002  as the real one is called
        """Tell a process to stop; the world says when it has."""
        self.world.stopping.add(name)

    def is_ready(self, name: str) -> tuple[bool, str]:
        """Ask a server whether it could answer."""
        is_up = self.world.processes.get(name, False) and name not in self.world.stopping
        return is_up, "" if is_up else "its server does not answer"

    def endpoint_of(self, process: str) -> str:
        """Where a process listens."""
        return f"unix:/s/{process}"

    def gateway_work(self, gateway: object) -> object:
        """Say how to start the gateway."""
        return gateway

    def collector_work(self) -> object:
        """Say how to start the collector."""
        return COLLECTOR

    def server_work(self, name: RevisionName, bundle: Bundle, python: Path, **_: object) -> object:
        """Say how to start a server."""
        return name, bundle, python


@dataclass(slots=True)
class SimulatedGateway:
    """Takes a routing only when whoever takes over answers, as the real one does."""

    world: World
    faults: Faults
    """Of the control plane that asks it."""

    def is_outdated(self) -> bool:
        """Tell whether it was started for other settings: it never is."""
        return False

    def renew(self) -> bool:
        """Look at its certificate: it has none."""
        return False

    def ready(self) -> bool:
        """Tell whether it takes requests."""
        return self.world.processes.get(GATEWAY, False)

    def healthy(self, revision: str) -> frozenset[str]:
        """Name the servers of a revision that answer it."""
        is_up = self.world.processes.get(revision, False) and revision not in self.world.stopping
        return frozenset({f"unix:/s/{revision}"} if is_up else ())

    def apply(self, routing: Routing) -> str:
        """Route like this from now on."""
        world = self.world
        if self.faults.is_replaced:
            raise LeaseLostError("another control plane leads (the fence says so)")
        held = {one.name: set(one.answering) for one in world.routing.productions}
        for production in routing.productions:
            for name in set(production.answering) - held.get(production.name, set(production.answering)):
                if not world.processes.get(name, False):
                    raise GatewayError(f"no new server of {name} passed its health check")
        if not world.is_gateway_willing:
            raise GatewayError("the gateway did not take the routes")
        for told in world.applied:
            told(routing)
        world.routing = routing
        return "1"


@dataclass(slots=True)
class SimulatedGates:
    """Jobs of the world: begun at the first look, ended when the world says so."""

    world: World

    def look(self, promotion: Promotion, gate: Gate, reference_of: Callable[[RevisionName], object]) -> Verdict | None:
        """Start or read the job of a gate; None while it runs."""
        if self.world.gates_fail_to_start:
            raise UnavailableError("the environment is being built")
        if gate is Gate.DATA:
            reference_of(promotion.revision)
        return self.world.jobs.setdefault((promotion.id, gate), None)

    def stop(self, promotion: Promotion) -> None:
        """Stop all jobs of an attempt."""
        for job, found in list(self.world.jobs.items()):
            if job[0] == promotion.id and found is None:
                del self.world.jobs[job]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mirrored:
    paired: int
    shadow_failed: int
    agreement: Mapping[str, int]
    shadow: Mapping[str, float] = field(default_factory=lambda: {"p99_ms": 2.0})


@dataclass(slots=True)
class SimulatedLake:
    """The sums that the world's evidence would have."""

    world: World
    registry: Registry

    def ship(self) -> None:
        """There is nothing to ship."""

    def marks(self) -> tuple[object, ...]:
        """Tell this state of the evidence from others."""
        return (self.world.evidence_marks,)

    def business(self, service: str, major: int) -> list[Any]:  # noqa: ARG002  as the real one is called
        """Give no measurements: nothing is planned."""
        return []

    def traffic(self, service: str, major: int, **_: object) -> Any:  # noqa: ARG002  as the real one is called
        """Give no traffic."""
        return SimpleNamespace(units_per_second=lambda _now: 0.0)

    def compare(self, experiment: str, *, splits: Sequence[object] = (), **_: object) -> Comparison:
        """Give what was seen, all of it under the split of now."""
        now = self._experiment(experiment)
        share = now.shares[str(now.challenger)]
        told = self.world.evidence.get(experiment, "")
        nothing = {"challenger": ArmSums(), "incumbent": ArmSums()}
        strata = [dict(nothing) for _ in range(len(splits) + 1)]
        if told and 0 < share < 1:
            rates = _RATES.get(told, _RATES["equal"])
            units = round(_UNITS * share), round(_UNITS * (1 - share))
            away = units[0] if told == "away" else 0
            strata[-1] = {
                "challenger": _sums(units[0], rates[0], fallback=away),
                "incumbent": _sums(units[1], rates[1]),
            }
        return Comparison(strata=tuple(strata), outcomes=OutcomeCounts())

    def health(self, experiment: str, **_: object) -> dict[str, Health]:
        """Give the requests since the split changed."""
        if self.world.evidence.get(experiment) != "unhealthy":
            return {}
        arms = {name.rpartition(".")[2]: name for name in self._experiment(experiment).shares}
        incumbent = self._experiment(experiment).incumbent
        good, bad = Health(requests=500), Health(requests=500, errors=250)
        return {arm: good if name == str(incumbent) else bad for arm, name in arms.items()} | {
            "challenger": bad,
            "incumbent": good,
        }

    def bandit_arms(self, experiment: str, **_: object) -> dict[str, BanditArm]:
        """Give the rewards of the arms: of one arm, those that the evidence tells."""
        now = self._experiment(experiment)
        told = self.world.evidence.get(experiment, "")
        if told not in _RATES:
            return {}
        best = str(now.challenger) if told == "better" else str(now.incumbent) if told == "worse" else ""
        return {name.rpartition(".")[2]: _rewards(0.8 if name == best else 0.4) for name in now.shares}

    def shadow(self, service: str, major: int, *, shadow: str, **_: object) -> _Mirrored:  # noqa: ARG002  as the real one
        """Give what was mirrored, as far as it is judged."""
        answers, failures = self.world.mirrored.get(shadow, (0, 0))
        same = answers - failures
        return _Mirrored(paired=answers, shadow_failed=failures, agreement={"instances": same, "same": same})

    def shadow_truth(self, *_: object, **__: object) -> list[Any]:
        """Give no outcomes of single requests."""
        return []

    def _experiment(self, identity: str) -> Experiment:
        return next(one for one in self.registry.experiments() if one.id == identity)


def _sums(units: int, rate: float, *, fallback: int = 0) -> ArmSums:
    total = round(units * rate)
    return ArmSums(
        exposed=units,
        units=units,
        y=total,
        yy=total,
        yyy=total,
        x=units,
        xx=units,
        xy=total,
        m=total,
        mm=total,
        mmm=total,
        requests=units,
        fallback=fallback,
    )


def _rewards(rate: float) -> BanditArm:
    units = _UNITS // 2
    return BanditArm(requests=units, exposed=units, units=units, n=units, y=units * rate, yy=units * rate)


def passing(gate: str, *, kind: VerdictKind = VerdictKind.PASS) -> Verdict:
    """Say what a gate's job found."""
    return Verdict(gate=Gate(gate), kind=kind, because=f"the world says {kind}", evidence={"from": "the world"})


def begin_world(folder: Path, registry: Path) -> World:
    """Lay a workspace down, with a registry that is there already.

    Args:
        folder: Empty.
        registry: A database with the newest schema.
    """
    (folder / ".rung").mkdir(parents=True)
    shutil.copy(registry, folder / ".rung" / "registry.db")
    (folder / "rung.toml").write_text("")
    return World(folder=folder)


def settle(world: World, policy: str) -> None:
    """Set how revisions come to be promoted: `manual`, `approve` (within 20 minutes) or `auto`."""
    settings = f'[services.{SERVICE}]\npromotion = "{policy}"\napproval_deadline_s = 1200\n'
    (world.folder / "rung.toml").write_text(settings)


def deploy(control: ControlPlane, design: str) -> RevisionName:
    """Create, train and deploy a revision as far as an operator does; it is a candidate once its server answers."""
    registry = control.registry
    name = registry.create_revision(SERVICE, MAJOR, actor=OPERATOR, commit="abc", dirty=False)
    control.world.write_revision(name, design)
    registry.move(name, State.TRAINED, because="its training succeeded", actor="rung")
    registry.move(name, State.DEPLOYING, because="serving was deployed", actor=OPERATOR)
    return name


def empty_registry(folder: Path) -> Path:
    """Make a database with the newest schema."""
    open_registry(folder).close()
    return folder / "registry.db"


def ended_quietly(control: ControlPlane) -> None:
    """Close a control plane whatever state it is in."""
    with suppress(Exception):
        control.end()
