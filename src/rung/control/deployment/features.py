"""Features of served revisions are those of the newest data: a job of the revision's own code brings them there.

A revision is asked nothing before its features are in the online store once. Afterwards each new version of a dataset
is followed; a job that fails is tried again, and what is served meanwhile are the features of before.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.compute.threads import thread_limits
from rung.control.deployment.builds import last_words
from rung.control.servers import revision_environment
from rung.data import open_catalogue
from rung.errors import ConflictError
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.control.place import Place
    from rung.schema import RevisionName
    from rung.serving import Bundle

_EVERY_S: Final = 3.0  # between two looks at the datasets of a revision
_AGAIN_S: Final = 30.0  # after a job that failed
_ANYWAY_S: Final = 900.0  # after one that did not: the online store may have been lost


@dataclass(slots=True)
class Features:
    """Starts and watches the jobs."""

    place: Place
    _looked: dict[RevisionName, float] = field(default_factory=dict)

    def newest(self, bundle: Bundle) -> dict[str, int]:
        """Give the newest version of each dataset that a revision's features are made from.

        Raises:
            NotFoundError: One of them is gone.
        """
        catalogue = open_catalogue(self.place.workspace)
        return {name: catalogue.version(name).number for name in bundle.datasets}

    def follow(self, name: RevisionName, bundle: Bundle, python: Path) -> None:
        """See now and then that the features of a revision that is served are those of the newest versions.

        Raises:
            NotFoundError: A dataset is gone.
            ConflictError: They cannot be made.
        """
        if time.monotonic() - self._looked.get(name, 0.0) < _EVERY_S:
            return
        self._looked[name] = time.monotonic()
        self.look(name, bundle, python)

    def look(self, name: RevisionName, bundle: Bundle, python: Path) -> str:
        """Start the job when there are newer versions; say why features are not there yet, nothing when they are.

        Raises:
            NotFoundError: A dataset is gone.
            ConflictError: The last job failed; a while later it is started again.
        """
        job = Job(self.place.revision(name) / "jobs" / "features")
        state, wanted = job.state(), self.newest(bundle)
        if state == "running":
            return "its features are being written"
        is_there = False
        if isinstance(state, Ended) and _made_of(job) == wanted:
            is_there, ended_s = state.exit_code == 0, _ended_s(job)
            if is_there and ended_s < _ANYWAY_S:
                return ""
            if not is_there and ended_s < _AGAIN_S:
                raise ConflictError(f"its features could not be written: {last_words(job)}")
        self._start(job, name, python, wanted)
        return "" if is_there else "its features are being written"

    def _start(self, job: Job, name: RevisionName, python: Path, wanted: Mapping[str, int]) -> None:
        job.clear()
        job.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(job.folder / "datasets.json", json.dumps(wanted).encode())
        argv = (str(python), "-m", "rung.features.materialize", "--service", name.service)
        variables = {**revision_environment(self.place, name), **thread_limits(1)}
        job.start(local.Command(argv=argv, folder=self.place.source(name), environment=variables))


def _ended_s(job: Job) -> float:
    """Tell how long ago a job ended; one that was cut off, for ever ago."""
    try:
        return time.time() - job.exit_file.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _made_of(job: Job) -> dict[str, int] | None:
    try:
        found: dict[str, int] = json.loads((job.folder / "datasets.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found
