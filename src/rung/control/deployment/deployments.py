"""From source to a candidate: training, then a server that answers; each step a job or process that is looked at.

The loop calls `advance` with every revision that is under way; a step that has been taken is seen and not repeated.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from rung.artifacts import LocalStore
from rung.compute import local
from rung.compute.environments import Environment, resolve
from rung.control._usage import idle, idle_told
from rung.control.deployment.agreement import Agreement, compare_with_evaluation, not_compared, read_evaluated
from rung.control.deployment.memory import MEMORY, Memory, measure
from rung.control.deployment.parcels import Parcels
from rung.control.deployment.source import check_merged, chosen_source, copy_snapshot, read_major, take_snapshot
from rung.control.deployment.trainings import Trainings
from rung.control.deployment.trust import SIGNED
from rung.control.machines import process_of
from rung.errors import ConflictError, IntegrityError, RungError, UnavailableError
from rung.infrastructure import Infrastructure
from rung.lifecycle import State, check_move
from rung.schema import RevisionName
from rung.serving import Bundle, read_bundle
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.compute.jobs import Job
    from rung.control.deployment.builds import Builds
    from rung.control.deployment.features import Features
    from rung.control.deployment.storage import Storage
    from rung.control.deployment.trust import Trust
    from rung.control.place import Place
    from rung.control.servers import Servers
    from rung.lifecycle import Origin
    from rung.registry import Registry, Revision

_READY_WITHIN = timedelta(minutes=3)  # from the start of a server to its first answer, with cold caches
_BROUGHT_WITHIN = timedelta(hours=1)  # what it needs, to a node that does not see the workspace's folder
_CHECK_S = 0.4  # that the loop waits for a comparison at each look
_LOCK = "requirements.lock"


@dataclass(slots=True)
class Deployments:
    """Trains and deploys revisions."""

    place: Place
    registry: Registry
    servers: Servers
    builds: Builds
    storage: Storage
    trust: Trust
    features: Features
    keep_candidates: timedelta
    """A candidate that nobody promotes is torn down after that long; zero: never."""
    _checks: dict[RevisionName, Future[Agreement]] = field(default_factory=dict)
    """Comparisons with evaluation that are under way."""
    _arrived: dict[RevisionName, datetime] = field(default_factory=dict)
    """When servers were last seen to be brought what they need."""
    _pool: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, max_workers=2))
    parcels: Parcels = field(init=False)
    trainings: Trainings = field(init=False)

    def __post_init__(self) -> None:
        self.parcels = Parcels(self.place, self.storage, self.builds)
        self.trainings = Trainings(
            place=self.place,
            registry=self.registry,
            servers=self.servers,
            builds=self.builds,
            storage=self.storage,
            trust=self.trust,
            parcels=self.parcels,
        )

    def begin(self, service: str, *, allow_dirty: bool, actor: str, commit: str | None = None) -> RevisionName:
        """Begin the training of the next revision of a service: no overrides, from a snapshot of its source.

        Args:
            service: Its name.
            allow_dirty: Also from a working tree that differs from its commit.
            actor: Who begins it.
            commit: Whose source; None: what the working tree has.

        Raises:
            NotFoundError: There is no such service, or no such commit.
            ConflictError: The tree differs from its commit, or the commit is not part of the branch that it must be.
            EnvironmentBuildError: The requirements cannot be resolved.
            UnavailableError: The disk does not take its source; the revision has failed.
        """
        workspace = self.place.workspace
        branch = workspace.settings().policy(service).merged_only
        with chosen_source(workspace, service, commit, allow_dirty=allow_dirty) as (found, source):
            major = read_major(found)
            if branch is not None:
                check_merged(workspace.root, source, branch)
            lock = resolve(found.requirements)
        name = self.registry.create_revision(service, major, actor=actor, commit=source.commit, dirty=source.dirty)
        snapshot = partial(take_snapshot, self.place.workspace.root, self.place.source(name), source)
        self._keep_source(name, lock.text.encode(), snapshot)
        return name

    def begin_again(self, origin: Origin, *, actor: str) -> RevisionName:
        """Begin the training of the next revision from the code and the lock of an earlier one, on the data of now.

        Raises:
            NotFoundError: There is no such revision.
            UnavailableError: Its source is being fetched, or the disk does not take it.
        """
        of = RevisionName.parse(origin.of)
        self.storage.bring(of)
        earlier = self.registry.revision(of)
        lock = (self.place.revision(of) / _LOCK).read_bytes()
        name = self.registry.create_revision(
            of.service, of.major, actor=actor, commit=earlier.commit, dirty=earlier.dirty, origin=origin
        )
        self._keep_source(name, lock, partial(copy_snapshot, self.place.source(of), self.place.source(name)))
        return name

    def _keep_source(self, name: RevisionName, lock: bytes, snapshot: Callable[[], object]) -> None:
        """Copy what is deployed; the snapshot is last, so that where it is, the lock is whole.

        Raises:
            UnavailableError: The disk does not take it; the revision has failed.
        """
        folder = self.place.revision(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / _LOCK, lock, durable=True)
            snapshot()
        except (OSError, RungError) as error:
            with suppress(UnavailableError):  # not on record either: the loop finds no source after a minute
                self._fail(name, f"its source could not be kept: {error}")
            raise UnavailableError(
                f"the source of {name} could not be kept ({error})", hint="see to the disk; then deploy it again"
            ) from error

    def deploy_serving(self, name: RevisionName, *, actor: str) -> None:
        """Begin to serve a trained revision, without production traffic.

        Raises:
            ConflictError: It is not trained, or its files are not what was signed.
        """
        check_move(str(name), self.registry.revision(name).state, State.DEPLOYING)
        self.verify(name, contents=True)
        self.registry.move(name, State.DEPLOYING, because="serving was deployed", actor=actor)

    def expire(self) -> None:
        """Tear down the candidates that nobody promoted in time; never the benchmark, which the first one must beat."""
        now = datetime.now(UTC)
        since = now - self.keep_candidates
        for revision in self.registry.watched(now) if self.keep_candidates else ():
            if revision.state is State.CANDIDATE and not revision.name.is_benchmark and revision.since < since:
                because = f"nobody promoted it for {self.keep_candidates.total_seconds():,.0f} s"
                self.registry.move(revision.name, State.TORN_DOWN, because=because, actor="rung")

    def end_idle(self, asked: Mapping[str, float]) -> None:
        """Tear down idle candidates of services whose policy says so; what others are compared with stays.

        Args:
            asked: When revisions were last asked, seconds since 1970, by name.
        """
        now, settings = datetime.now(UTC), self.place.workspace.settings()
        candidates = [
            one
            for one in self.registry.watched(now)
            if one.state is State.CANDIDATE
            and not one.name.is_benchmark
            and settings.policy(one.name.service).tear_down_idle
        ]
        for name, since in idle(candidates, asked, settings, now).items():
            because = f"{idle_told(since, now)}, and tear_down_idle is set"
            with suppress(ConflictError):  # a promotion of it has begun meanwhile
                self.registry.move(RevisionName.parse(name), State.TORN_DOWN, because=because, actor="rung")

    def advance(self, revision: Revision) -> None:
        """Take the next step of a revision that trains or is being deployed; a retrained one is deployed by itself."""
        try:
            if revision.state is State.TRAINING:
                self.trainings.advance(revision)
            elif revision.state is State.TRAINED and revision.origin is not None:
                self._serve_again(revision.name)
            elif revision.state is State.DEPLOYING:
                self._advance_serving(revision)
        except RungError as error:
            self._fail(revision.name, str(error))

    def environment(self, name: RevisionName) -> Environment:
        """Give the environment that a revision was trained in: an upgrade of Rung does not change what is deployed.

        When it has been removed, one of the same lock is built again, in the background.

        Raises:
            UnavailableError: It is being built, or cannot be; then it is tried again, ever more slowly.
        """
        found = self.builds.look(name, retries=True)
        if isinstance(found, Environment):
            return found
        raise UnavailableError(f"the environment of {name} {found.because}", hint=f"`rung logs {name} --environment`")

    def verify(self, name: RevisionName, *, contents: bool = False) -> dict[str, str]:
        """Hold a revision against what was signed; give the digests of the bundles that its server may read.

        Args:
            name: The revision.
            contents: Also read all of its artifacts.

        Raises:
            ConflictError: It must not be served; the reason is on record. One that is being deployed has failed.
        """
        try:
            self.trust.check(name, contents=contents)
        except IntegrityError as error:
            last = self.registry.latest(SIGNED, name.service).get(str(name))
            if last is None or last.because != error.message:
                self.registry.record_event(SIGNED, str(name), because=error.message, actor="rung", refused=True)
            if self.registry.revision(name).state is State.DEPLOYING:
                self._fail(name, error.message)
            raise ConflictError(error.message, hint=error.hint) from error
        return self.trust.bundles([name, *self.storage.others(name)])

    def job(self, name: RevisionName, kind: str) -> Job:
        """Give a job of a revision, as `training`."""
        return self.trainings.job(name, kind)

    def _serve_again(self, name: RevisionName) -> None:
        because = "it was retrained, and is served like the revision that it comes from"
        self.registry.move(name, State.DEPLOYING, because=because, actor="rung")
        with suppress(ConflictError):  # then it has failed, with the reason on record
            self.verify(name, contents=True)

    def _advance_serving(self, revision: Revision) -> None:
        name = revision.name
        found = self._check(name)
        now = datetime.now(UTC)
        if isinstance(found, Agreement):
            self._end_serving(name, found)
        elif now - self._could_begin(revision, now) > _READY_WITHIN:
            self._fail(name, f"it did not answer within {_READY_WITHIN}: {found}")

    def _could_begin(self, revision: Revision, now: datetime) -> datetime:
        """Tell since when its server could have begun: what is being brought to a node is waited for."""
        if self.servers.is_arriving(str(revision.name)) and now - revision.since < _BROUGHT_WITHIN:
            self._arrived[revision.name] = now
        return max(revision.since, self._arrived.get(revision.name, revision.since))

    def _check(self, name: RevisionName) -> Agreement | str:
        """Compare a server that answers with its evaluation; the reason while there is nothing to tell.

        The comparison has a thread of its own, since a slow model must not hold up the loop; a quick one is waited for.
        """
        check = self._checks.get(name)
        if check is None:
            bundle = read_bundle(self.place.workspace.state, str(name))
            if bundle.datasets and (because := self.features.look(name, bundle, self.environment(name).python)):
                return because
            ready, because = self.servers.is_ready(str(name))
            if ready:
                ready, because = self.servers.has_answered(str(name), bundle.example)
            if not ready:
                return because
            check = self._checks[name] = self._pool.submit(self._compare, name, bundle)
        wait([check], timeout=_CHECK_S)
        if not check.done():
            return "its answers are being compared with those of its evaluation"
        del self._checks[name]
        try:
            return check.result()
        except UnavailableError as error:
            return str(error)

    def _compare(self, name: RevisionName, bundle: Bundle) -> Agreement:
        if bundle.datasets and self.features.newest(bundle) != bundle.datasets:
            return not_compared("its features are of newer data than its training")
        evaluated = read_evaluated(LocalStore(self.place.workspace.artifacts), bundle)
        timeout_s = Infrastructure.model_validate(bundle.infrastructure).serving.request_timeout_s
        return compare_with_evaluation(evaluated, lambda: self.servers.connect(str(name), timeout_s=timeout_s))

    def _end_serving(self, name: RevisionName, agreement: Agreement) -> None:
        """Judge a server that answers: what was measured and compared is kept as evidence."""
        self._arrived.pop(name, None)
        evidence: dict[str, Any] = {"agreement": agreement.to_json()}
        if agreement.first is not None:
            self._fail(name, agreement.told, data=evidence)
            return
        memory = self.memory(name)
        if memory is not None:
            evidence["memory"] = memory.to_json()
            self.registry.record_event(MEMORY, str(name), because=memory.told, actor="rung", **memory.to_json())
        because = f"its server answered a prediction; {agreement.told}"
        self.registry.move(name, State.CANDIDATE, because=because, actor="rung", data=evidence)

    def memory(self, name: RevisionName, process: Mapping[str, Any] | None = None) -> Memory | None:
        """Measure what a server takes now; None when it does not run on this machine.

        Args:
            name: The revision.
            process: Of its server, as it is on record: whoever measures many has read all of them.
        """
        server = self.servers.running(str(name)) if process is None else process_of(process)
        if server is None or not local.alive(server):
            return None
        bundle = read_bundle(self.place.workspace.state, str(name))
        serving = Infrastructure.model_validate(bundle.infrastructure).serving
        return measure(server.pid, workers=serving.gunicorn_workers, declared_gib=serving.memory_gib)

    def _fail(self, name: RevisionName, because: str, *, data: Mapping[str, Any] | None = None) -> None:
        self._checks.pop(name, None)
        self._arrived.pop(name, None)
        self.registry.move(name, State.FAILED, because=because, actor="rung", data=data or {})


def write_plan(path: Path, value: object) -> None:
    """Write a job's input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(value).encode())
