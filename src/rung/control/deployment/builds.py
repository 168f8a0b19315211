"""The environments of revisions: found, or built in the background; deployments and gates ask for them at each look.

What is known of a build is in its job and in the log of events, so that a new control plane goes on where the last one
was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rung.compute.environments import Environment, Environments, Lock
from rung.compute.jobs import Ended, Job
from rung.control.servers import without_secrets

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.registry import Event, Registry
    from rung.schema import RevisionName

ENVIRONMENT = "environment"
"""Kind of the events, and name of the job."""

_AGAIN = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))  # after the n-th failure in a row
_LOG_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbuilt:
    """There is no environment yet."""

    because: str
    """What follows on `its environment`."""
    has_failed: bool = False
    """The last build did not succeed."""


@dataclass(frozen=True, slots=True)
class Builds:
    """Finds and builds the environments of revisions."""

    place: Place
    registry: Registry
    environments: Environments

    def find(self, name: RevisionName) -> Environment | None:
        """Give the environment that a revision was trained in, or another of the same lock."""
        key = self.registry.revision(name).environment
        found = self.environments.find(key) if key else None
        return found or self.environments.path_if_ready(self.lock(name))

    def look(self, name: RevisionName, *, retries: bool) -> Environment | Unbuilt:
        """Give the environment of a revision, or see to it that it is being built.

        Args:
            name: The revision.
            retries: Whether a failed build is told and tried again, ever more slowly; otherwise it stays failed.
        """
        last = self.registry.latest(ENVIRONMENT, name.service).get(str(name))
        found = self.find(name)
        if found is not None:
            if last is not None and last.data.get("is_missing"):
                self._tell(name, "is ready", is_missing=False)
            return found
        job, failures = self.job(name), failures_of(last)
        state = job.state()
        if state == "running":
            return Unbuilt(because="is being built")
        if isinstance(state, Ended):
            if state.exit_code != 0:
                return self._fail(name, failures + 1, retries=retries)
            job.clear()  # it was there, and has been removed since
        left = until_retry(failures, since=datetime.now(UTC) - last.time) if last is not None else timedelta(0)
        if last is not None and left and last.data.get("has_failed"):
            return _failed(last.because.removeprefix("its environment "), left)
        self._tell(name, "is being built", is_missing=True, failures=failures)
        command = self.environments.command(self.lock(name), result=job.result_file)
        job.start(replace(command, environment=without_secrets(command.environment)))
        return Unbuilt(because="is being built")

    def lock(self, name: RevisionName) -> Lock:
        """Read the locked requirements of a revision."""
        return Lock(text=(self.place.revision(name) / "requirements.lock").read_text())

    def job(self, name: RevisionName) -> Job:
        """Give the job that builds the environment of a revision."""
        return Job(self.place.revision(name) / "jobs" / ENVIRONMENT)

    def _fail(self, name: RevisionName, failures: int, *, retries: bool) -> Unbuilt:
        job = self.job(name)
        because = f"cannot be made: {last_words(job)}"
        if not retries:
            return Unbuilt(because=because, has_failed=True)
        self._tell(name, because, is_missing=True, has_failed=True, failures=failures)
        job.clear()
        return _failed(because, until_retry(failures, since=timedelta(0)))

    def _tell(self, name: RevisionName, because: str, **data: object) -> None:
        self.registry.record_event(ENVIRONMENT, str(name), because=f"its environment {because}", actor="rung", **data)


def failures_of(last: Event | None) -> int:
    """Count the failures in a row that the last event of an environment tells of; 0 when it tells of none."""
    return int(last.data.get("failures", 0)) if last is not None else 0


def until_retry(failures: int, *, since: timedelta) -> timedelta:
    """Say how long to wait before a failed build is tried again; nothing when it is time.

    Args:
        failures: In a row.
        since: The last one.

    >>> until_retry(2, since=timedelta(seconds=10))
    datetime.timedelta(seconds=20)
    """
    if failures == 0:
        return timedelta(0)
    return max(_AGAIN[min(failures, len(_AGAIN)) - 1] - since, timedelta(0))


def last_words(job: Job) -> str:
    """Give the last line that a job wrote."""
    lines = [line.strip() for line in job.log_tail(_LOG_LINES) if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def _failed(because: str, left: timedelta) -> Unbuilt:
    return Unbuilt(because=f"{because}; it is tried again in {left.total_seconds():.0f} s", has_failed=True)
