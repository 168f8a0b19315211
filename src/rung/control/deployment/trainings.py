"""From a source snapshot to a bundle: environment, declared machine, slot, training, and what it leaves.

`Deployments` calls `advance` with every revision that trains; a step that has been taken is seen and not repeated.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rung import openlineage
from rung.compute import local
from rung.compute.environments import Environment
from rung.compute.jobs import Ended, Job
from rung.compute.protocol import Machine
from rung.compute.threads import thread_limits
from rung.control.deployment.builds import last_words
from rung.control.deployment.slots import Slots
from rung.control.servers import revision_environment
from rung.errors import NotFoundError, UnavailableError, WorkspaceError
from rung.infrastructure import TrainingHardware
from rung.lifecycle import State
from rung.schema import Contract, breaking_changes
from rung.serving import read_bundle
from rung.training import mirror_soon, read_run

if TYPE_CHECKING:
    from rung.compute.protocol import Parcel
    from rung.control.deployment.builds import Builds
    from rung.control.deployment.parcels import Parcels
    from rung.control.deployment.storage import Storage
    from rung.control.deployment.trust import Trust
    from rung.control.place import Place
    from rung.control.servers import Servers
    from rung.registry import Event, Registry, Revision
    from rung.schema import RevisionName
    from rung.serving import Bundle

_READ_S = 0.4  # that the loop waits for the hardware specification at each look
_POLL_S = 0.02
_KEPT_WITHIN = timedelta(hours=1)  # from the end of a training until its outputs are in the storage
_STORAGE = "storage"
"""Kind of the events that tell of a storage that does not take a revision, or does not give it."""
_MACHINE = "training_machine"
"""Kind of the events that tell why a training has not begun."""
RESUMED: Final = "training_resumed"
"""Kind of the events that tell of a training that was cut off and begun again."""
_TERMINATED: Final = 128 + signal.SIGTERM
_RESUMED_AT_MOST: Final = 3  # a training that takes its machine down with it does so again


@dataclass(slots=True, kw_only=True)
class Trainings:
    """Trains revisions."""

    place: Place
    registry: Registry
    servers: Servers
    builds: Builds
    storage: Storage
    trust: Trust
    parcels: Parcels
    slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(
            registry=self.registry,
            settings=self.place.workspace.settings,
            has_begun=lambda name: self.job(name, "training").handle() is not None,
        )

    def job(self, name: RevisionName, kind: str) -> Job:
        """Give a job of a revision, as `training`."""
        return Job(self.place.revision(name) / "jobs" / kind, compute_of=self.servers.machines.compute_of)

    def advance(self, revision: Revision) -> None:
        """Take the next step of a revision that trains.

        Raises:
            RungError: It cannot be trained.
        """
        name = revision.name
        age = datetime.now(UTC) - revision.created
        if not self.place.source(name).is_dir():
            if age > timedelta(minutes=1):
                self._fail(name, "its source snapshot was not finished: the deployment was interrupted")
            return
        environment = self.builds.look(name, retries=False)
        if not isinstance(environment, Environment):
            if environment.has_failed:
                self._fail(name, f"its environment {environment.because}")
            return
        hardware = self._training_hardware(name, environment)
        if hardware is not None:
            self._follow_training(revision, environment, hardware)

    def _follow_training(self, revision: Revision, environment: Environment, hardware: TrainingHardware) -> None:
        name, job, now = revision.name, self.job(revision.name, "training"), datetime.now(UTC)
        state, within = job.state(), timedelta(seconds=hardware.timeout_s)
        if state == "absent":
            self._begin_training(revision, environment, hardware, job=job)
        elif isinstance(state, Ended):
            if self._is_back(revision, state, job) and not self._resumes(revision, state, job):
                self._end_training(revision, state, job)
        elif now - revision.created > within and now - self._began(revision) > within:
            job.stop()
            self._fail(name, f"its training did not end within {within}, the timeout_s of its hardware")
        elif because := job.why():
            self._tell(_MACHINE, name, f"its training waits: {because}")
            with suppress(UnavailableError):  # who began it may not have come to put all of it into the storage
                self._parcel(revision, environment, hardware)

    def _tell(self, kind: str, name: RevisionName, because: str) -> None:
        """Keep why a training does not go on, once for each reason."""
        last = self.registry.latest(kind, name.service).get(str(name))
        if last is None or last.because != because:
            self.registry.record_event(kind, str(name), because=because, actor="rung")

    def _training_hardware(self, name: RevisionName, environment: Environment) -> TrainingHardware | None:
        """Read what machine a training needs, in its own environment; None while it is read, or when it has failed."""
        job = self.job(name, "hardware")
        argv = (str(environment.python), "-m", "rung.training.hardware", "--service", name.service)
        job.start(
            local.Command(
                argv=(*argv, "--output", str(job.result_file)),
                folder=self.place.source(name),
                environment=revision_environment(self.place, name),
            )
        )
        deadline = time.monotonic() + _READ_S
        while not isinstance(state := job.state(), Ended):
            if time.monotonic() > deadline:
                return None
            time.sleep(_POLL_S)
        found = job.result()
        if state.exit_code == 0 and found is not None:
            return TrainingHardware.model_validate(found)
        if "No module named rung.training.hardware" in last_words(job):
            return TrainingHardware()  # its environment has an earlier Rung, which trained everything alike
        if state.exit_code is None:
            job.clear()  # cut off with the machine
        else:
            self._fail(name, f"its hardware specification cannot be read: {last_words(job)}")
        return None

    def _begin_training(
        self, revision: Revision, environment: Environment, hardware: TrainingHardware, *, job: Job
    ) -> None:
        try:
            parcel = self._parcel(revision, environment, hardware)
        except UnavailableError as error:
            self._tell(_STORAGE, revision.name, f"its training has not begun: {error}")
            return
        if self.slots.may_begin(revision):
            self._start_training(revision, environment, hardware, job=job, parcel=parcel)

    def _parcel(self, revision: Revision, environment: Environment, hardware: TrainingHardware) -> Parcel | None:
        """Give what a training needs on a node that does not see the folder; it is being put into the storage."""
        is_local = self.servers.is_local(hardware.compute)
        return None if is_local else self.parcels.of_training(revision, environment)

    def _start_training(
        self,
        revision: Revision,
        environment: Environment,
        hardware: TrainingHardware,
        *,
        job: Job,
        parcel: Parcel | None,
    ) -> None:
        name = revision.name
        self.registry.set_environment(name, environment.key)
        variables = {
            **revision_environment(self.place, name),
            **thread_limits(hardware.vcpus),
            "RUNG_RUN": revision.run,
            "RUNG_COMMIT": revision.commit or "",
            "RUNG_DIRTY": str(int(revision.dirty)),
            "RUNG_USER": revision.actor,
        }
        fresh = () if revision.origin is None else ("--fresh",)
        argv = (str(environment.python), "-m", "rung.training.deployed", "--service", name.service, *fresh)
        job.start(
            local.Command(argv=argv, folder=self.place.source(name), environment=variables),
            on=self.servers.machines.compute(hardware.compute),
            machine=Machine(
                vcpus=hardware.vcpus, memory_gib=hardware.memory_gib, gpus=hardware.gpus, disk_gib=hardware.disk_gib
            ),
            name=f"{name}-training",
            parcel=parcel,
        )

    def _is_back(self, revision: Revision, ended: Ended, job: Job) -> bool:
        """Tell whether what a training left on a node that does not see the folder is here; it is waited for."""
        if not ended.returned:
            return True
        state = self.place.workspace.state
        allowed = (
            *self.parcels.returns(revision),
            *(str(path.relative_to(state)) for path in (job.log, job.exit_file)),
        )
        try:
            return self.storage.take_back(ended.returned, allowed=allowed)
        except UnavailableError as error:
            self._tell(_STORAGE, revision.name, f"its training ended on a node; {error}")
            return False

    def _resumes(self, revision: Revision, ended: Ended, job: Job) -> bool:
        """Let a training that was cut off begin again, from what it has kept; tell whether it does.

        That is on record first, so that whoever leads next counts it, too.
        """
        if not _was_cut_off(ended, job):
            return False
        name, last = revision.name, self._resumed(revision)
        times = 1 if last is None else last.data["times"] + 1
        if times > _RESUMED_AT_MOST:
            return False
        because = (
            "its training was cut off, as when its machine goes down, and is begun again from the tasks that had ended "
            f"(time {times} of {_RESUMED_AT_MOST} at most)"
        )
        self.registry.record_event(RESUMED, str(name), because=because, actor="rung", times=times)
        job.stop()  # what is left of it
        job.clear()
        return True

    def _resumed(self, revision: Revision) -> Event | None:
        return self.registry.latest(RESUMED, revision.name.service).get(str(revision.name))

    def _began(self, revision: Revision) -> datetime:
        """Tell since when a training runs: it has all of its time again after it was cut off."""
        began, resumed = self.slots.began(revision), self._resumed(revision)
        return began if resumed is None else max(began, resumed.time)

    def _end_training(self, revision: Revision, ended: Ended, job: Job) -> None:
        """Judge an ended training: exit code and log are kept whatever they say."""
        name, exit_code = revision.name, ended.exit_code
        try:
            record = read_run(self.place.workspace.runs / revision.run)
        except NotFoundError:
            record = None
        if record is not None:
            if exit_code == 0 and record.status == "succeeded":
                self.trust.sign(revision, record.to_json())
            if not self._is_kept(revision, job):
                return
            self.registry.record_run({**record.to_json(), "exit_code": exit_code})
            openlineage.send_soon(self.place.workspace)
            mirror_soon(self.place.workspace)
        if exit_code != 0 or record is None or record.status != "succeeded":
            told = "was cut off" if exit_code is None else f"ended with exit code {exit_code}"
            if exit_code is None and (resumed := self._resumed(revision)):
                told += f", after it was begun again {resumed.data['times']} times"
            self._fail(name, f"its training {told}: {ended.because or last_words(job)}")
            return
        bundle = read_bundle(self.place.workspace.state, str(name))
        broken = self._broken_promises(name, bundle)
        if broken:
            self._fail(name, f"its schema breaks {name.major_name}: {broken}; open v{name.major + 1} (major = ...)")
            return
        told = ", ".join(f"{metric} {value:.4g}" for metric, value in record.metrics.items())
        self.registry.move(
            name,
            State.TRAINED,
            because=f"its training succeeded: {told}",
            actor="rung",
            data={"metrics": record.metrics, "failed_tests": record.failed_tests},
        )

    def _is_kept(self, revision: Revision, job: Job) -> bool:
        """Tell whether what a training left is in the storage; one that does not take it is waited for."""
        name = revision.name
        try:
            return self.storage.keep(name, revision.run)
        except (UnavailableError, WorkspaceError) as error:
            ended = datetime.fromtimestamp(job.exit_file.stat().st_mtime, UTC)
            if datetime.now(UTC) - ended > _KEPT_WITHIN:
                raise
            self._tell(_STORAGE, name, f"its training ended; {error}")
            return False

    def _broken_promises(self, name: RevisionName, bundle: Bundle) -> str:
        """List what the schema breaks of the earlier revisions of its major."""
        new = Contract.from_json(bundle.contract)
        for earlier in reversed(self.registry.revisions(name.service, name.major)):
            if earlier.name.minor < name.minor and earlier.state not in (State.FAILED, State.TRAINING):
                old = Contract.from_json(read_bundle(self.place.workspace.state, str(earlier.name)).contract)
                return "; ".join(map(str, breaking_changes(old, new)))
        return ""

    def _fail(self, name: RevisionName, because: str) -> None:
        self.registry.move(name, State.FAILED, because=because, actor="rung")


def _was_cut_off(ended: Ended, job: Job) -> bool:
    """Tell whether nothing that a training did ended it: nobody knows what did, or its machine went down in order."""
    if ended.exit_code is None:
        return not ended.because
    process, own = job.process(), local.find(os.getpid())
    is_down = process is not None and own is not None and process.boot != own.boot
    return is_down and ended.exit_code == _TERMINATED
