"""Revisions in the storage that `rung.toml` names: kept there before they are on record as trained, and brought back.

What lies in `.rung/` of a machine that serves may be lost: bundle, lock, source and artifacts of a revision come back
from the storage. Uploads and downloads have threads of their own; the loop looks how far they are.
"""

from __future__ import annotations

import math
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rung.compute import parcels
from rung.compute.followed import append_parts
from rung.errors import ConflictError, NotFoundError, RungError, UnavailableError
from rung.lifecycle import State
from rung.objects import open_objects, pack, probe
from rung.schema import RevisionName
from rung.training import read_run
from rung.training._kept import keep_run
from rung.training._stored import (
    BUNDLE,
    PAPERS,
    SOURCE,
    bring_papers,
    bring_revision,
    is_here,
    key,
    others,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rung.control.place import Place
    from rung.objects import Objects
    from rung.registry import Registry, Revision

_LOOK_S = 0.4  # that the loop waits for an upload or a download at each look
_AGAIN_S = 5.0  # after one that failed
_FOLLOW_S = 3.0  # between looks for what was logged on nodes


@dataclass(slots=True)
class Storage:
    """The object store of one workspace's revisions; without one everything is kept here alone."""

    place: Place
    registry: Registry
    objects: Objects | None
    _settled: set[str] = field(default_factory=set)
    """Revisions that are known to be both here and there."""
    _under_way: dict[str, Future[None]] = field(default_factory=dict)
    _again: dict[str, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, max_workers=2))
    _later: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What is to be put there, by name."""
    _put: set[str] = field(default_factory=set)
    """Names of what was."""
    follows_logs: bool = False
    """Nodes of a cluster may put logs of their work there."""
    _following: Future[None] | None = None
    _followed: float = -math.inf
    """When logs were last looked for, monotonic seconds."""

    @classmethod
    def open(cls, place: Place, registry: Registry) -> Self:
        """Open the storage that the settings name, and see what it can do.

        Raises:
            WorkspaceError: It lacks what Rung relies on, or refuses.
            UnavailableError: It does not answer.
        """
        settings = place.workspace.settings()
        objects = None if settings.storage is None else open_objects(settings.storage)
        if objects is not None:
            probe(objects)
        return cls(place, registry, objects, follows_logs=settings.compute_address is not None)

    def look(self) -> None:
        """Bring the papers of revisions that are on record and not here; keep those that are here and not there."""
        if self.objects is None:
            return
        trouble: list[RungError] = []
        try:
            self._follow_logs(self.objects)
        except RungError as error:
            trouble.append(error)
        for what in list(self._later):
            try:
                self._put_now(what)
            except RungError as error:
                trouble.append(error)
        for revision in self.registry.revisions():
            name = str(revision.name)
            if name not in self._settled and revision.state not in (State.TRAINING, State.FAILED):
                try:
                    self._settle(revision, self.objects)
                except RungError as error:  # of one revision: the others go on
                    trouble.append(error)
        if trouble:
            raise trouble[0]

    def keep(self, name: RevisionName, run: str) -> bool:
        """Tell whether a trained revision is in the storage; begin to put it there.

        Raises:
            UnavailableError: The storage does not take it; it is tried again some seconds later.
            ConflictError: The storage has another revision of that name.
        """
        if self.objects is None:
            return True
        done = self.is_done(f"keep {name}", partial(self._keep, name, run, self.objects))
        if done:
            self._settled.add(str(name))
        return done

    def bring(self, name: RevisionName) -> None:
        """See to it that all that a server of a revision reads is here.

        Raises:
            UnavailableError: It is being brought, or the storage does not answer.
            IntegrityError: The storage does not have it, or has other bytes.
        """
        if self.objects is None or self._is_here(name):
            return
        if not self.is_done(f"bring {name}", partial(self._bring, name, self.objects)):
            raise UnavailableError(f"what {name} is made of is being fetched from {self.objects.url}")

    def bring_now(self, name: RevisionName) -> None:
        """As `bring`, in this thread: for commands, which wait for it.

        Raises:
            UnavailableError: The storage does not answer.
            NotFoundError: The storage does not have it.
            IntegrityError: The storage has other bytes.
        """
        if self.objects is not None and not self._is_here(name):
            self._bring(name, self.objects)

    def take_back(self, listed: str, *, allowed: Collection[str]) -> bool:
        """Tell whether what a command left on a machine that does not see the folder is here; begin to bring it.

        Args:
            listed: Digest of the list of it.
            allowed: What may come back, by paths below the state folder.

        Raises:
            UnavailableError: The storage does not give it; it is tried again some seconds later.
            IntegrityError: The storage does not have it, or has something else.
        """
        if self.objects is None:
            raise UnavailableError("no storage is set", hint="set the one that was set when it began, in rung.toml")
        state = self.place.workspace.state
        bring = partial(parcels.take_back, self.objects, state, listed, allowed=allowed)
        return self.is_done(f"take back {listed}", bring)

    def is_done(self, what: str, work: Callable[[], None]) -> bool:
        """Begin some work unless it is under way; tell whether it has ended, and raise what it raised."""
        if what not in self._under_way:
            if time.monotonic() < self._again.get(what, 0.0):
                return False
            self._under_way[what] = self._pool.submit(work)
        future = self._under_way[what]
        wait([future], timeout=_LOOK_S)
        if not future.done():
            return False
        del self._under_way[what]
        if future.exception() is not None:
            self._again[what] = time.monotonic() + _AGAIN_S
        future.result()
        return True

    def put_later(self, what: str, work: Callable[[], None]) -> None:
        """Put something into the storage when that takes it, once for each name; nobody waits for it."""
        if what not in self._put and what not in self._later:
            self._later[what] = work
            self._under_way[what] = self._pool.submit(work)

    def _put_now(self, what: str) -> None:
        if self.is_done(what, self._later[what]):
            del self._later[what]
            self._put.add(what)

    def _follow_logs(self, objects: Objects) -> None:
        """Append what was logged on nodes that do not see the folder, now and then; nobody waits for it."""
        is_idle = self._following is None or self._following.done()
        if not self.follows_logs or not is_idle or time.monotonic() - self._followed < _FOLLOW_S:
            return
        ended, self._followed = self._following, time.monotonic()
        self._following = self._pool.submit(append_parts, objects, self.place.workspace.state)
        if ended is not None:
            ended.result()

    def _settle(self, revision: Revision, objects: Objects) -> None:
        name = revision.name
        if not (self.place.revision(name) / BUNDLE).is_file():
            self.is_done(f"papers of {name}", partial(bring_papers, objects, self.place.workspace, str(name)))
        elif self.is_done(f"keep {name}", partial(self._keep, name, revision.run, objects)):
            self._settled.add(str(name))

    def _keep(self, name: RevisionName, run: str, objects: Objects) -> None:
        folder = self.place.revision(name)
        if (folder / BUNDLE).is_file() and objects.read(key(str(name), BUNDLE)) == (folder / BUNDLE).read_bytes():
            return
        try:
            keep_run(objects, self.place.workspace, read_run(self.place.workspace.runs / run))
        except NotFoundError:  # a training that ended before it could write anything
            return
        if not (folder / BUNDLE).is_file():
            return
        with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
            packed = Path(scratch) / SOURCE
            pack(self.place.source(name), packed)
            objects.upload(key(str(name), SOURCE), packed)
        for paper in PAPERS[:-1]:
            if (folder / paper).is_file():
                objects.upload(key(str(name), paper), folder / paper)
        bundle = (folder / BUNDLE).read_bytes()
        if not objects.create(key(str(name), BUNDLE), bundle) and objects.read(key(str(name), BUNDLE)) != bundle:
            raise ConflictError(
                f"{objects.url} has another {name}: two registries would share one storage",
                hint="give each registry a prefix of its own",
            )

    def _bring(self, name: RevisionName, objects: Objects) -> None:
        bring_revision(objects, self.place.workspace, str(name), self._is_known())

    def others(self, name: RevisionName) -> list[RevisionName]:
        """Name the revisions whose artifacts the code of this one asks for."""
        return [RevisionName.parse(found) for found in others(self.place.workspace, str(name), self._is_known())]

    def _is_here(self, name: RevisionName) -> bool:
        return is_here(self.place.workspace, str(name), self._is_known())

    def _is_known(self) -> Callable[[str], bool]:
        """Look the revisions up that are on record."""
        known = {str(revision.name) for revision in self.registry.revisions()}
        return lambda name: name in known
