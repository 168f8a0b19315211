"""What trainings and servers need on nodes that do not see the workspace's folder, where there is a storage.

Source, lock and Rung's own wheel are put into the storage while work begins, which waits for none of it: a node that
lacks something looks again. Bundles and artifacts of trained revisions are there. `Deployments` asks for trainings, the
loop for servers; batches, which have no control plane, wait until all is there.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore, WriteThroughStore, file_digest
from rung.compute.protocol import Parcel
from rung.errors import NotFoundError, UnavailableError
from rung.objects import pack
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.compute.environments import Environment
    from rung.control.deployment.builds import Builds
    from rung.control.deployment.storage import Storage
    from rung.control.place import Place
    from rung.objects import Objects
    from rung.registry import Revision
    from rung.schema import RevisionName

_LOCK, _SOURCE, _BUNDLE = "requirements.lock", "source.tar", "bundle.json"


@dataclass(frozen=True, slots=True)
class Parcels:
    """Makes the parcels of one platform."""

    place: Place
    storage: Storage
    builds: Builds
    _digests: dict[str, str] = field(default_factory=dict)
    """Of sources, locks and wheels, by key: none of them ever changes."""

    def of_training(self, revision: Revision, environment: Environment) -> Parcel | None:
        """Give the parcel of a training; None where there is no storage.

        Raises:
            UnavailableError: Its source is being read.
        """
        steps = self.place.workspace.cache.relative_to(self.place.workspace.state) / "tasks"
        made = self._make(revision.name, environment)
        return made and replace(made, returns=self.returns(revision), steps=steps.as_posix())

    def of_server(self, name: RevisionName, environment: Environment) -> Parcel | None:
        """Give the parcel of a server; None where there is no storage.

        Raises:
            NotFoundError: The revision is not trained.
            UnavailableError: As `of_training`.
        """
        return self._make(name, environment, needs=(name,))

    def of_workers(self, name: RevisionName, environment: Environment, more: Mapping[str, Path]) -> Parcel | None:
        """Give the parcel of workers of a batch, once all of it is in the storage; None where there is no storage.

        Args:
            name: The revision.
            environment: Of the revision.
            more: Further files that they need, by their keys.

        Raises:
            NotFoundError: The revision is not trained.
            UnavailableError: The storage does not take it.
        """
        objects, keys = self.storage.objects, self._keys(name, environment)
        if objects is None or keys is None:
            return None
        self._read(name, keys)
        self._put(objects, name, keys)
        parcel = self._parcel(name, environment, objects.url, keys, needs=(name,))
        for key in parcel.files.keys() - set(keys):
            if objects.size(key) is None:  # it was trained before there was a storage
                objects.upload(key, self.place.workspace.state / key)
        WriteThroughStore(LocalStore(self.place.workspace.artifacts), objects).upload_all(parcel.artifacts)
        for key, path in more.items():
            objects.upload(key, path)
        return replace(parcel, files={**parcel.files, **{key: file_digest(path) for key, path in more.items()}})

    def returns(self, revision: Revision) -> tuple[str, ...]:
        """Name what comes back from a training, by paths below the state folder."""
        return (f"runs/{revision.run}", f"{self._key(revision.name)}/{_BUNDLE}")

    def _make(
        self, name: RevisionName, environment: Environment, *, needs: Sequence[RevisionName] = ()
    ) -> Parcel | None:
        objects, keys = self.storage.objects, self._keys(name, environment)
        if objects is None or keys is None:
            return None
        if not self._digests.keys() >= set(keys) and not self.storage.is_done(
            f"digests of {name}", partial(self._read, name, keys)
        ):
            raise UnavailableError(f"the source of {name} is being read")
        self.storage.put_later(f"parcel of {name}", partial(self._put, objects, name, keys))
        return self._parcel(name, environment, objects.url, keys, needs=needs)

    def _keys(self, name: RevisionName, environment: Environment) -> tuple[str, str, str] | None:
        """Name source, lock and wheel of a revision in the storage; None when its wheel is not kept any more."""
        wheel, folder = self.builds.environments.wheel_of(environment), self._key(name)
        if wheel is None:
            return None
        state = self.place.workspace.state
        return (f"{folder}/{_SOURCE}", f"{folder}/{_LOCK}", wheel.relative_to(state).as_posix())

    def _parcel(
        self,
        name: RevisionName,
        environment: Environment,
        url: str,
        keys: tuple[str, str, str],
        *,
        needs: Sequence[RevisionName],
    ) -> Parcel:
        files = {key: self._digests[key] for key in keys}
        artifacts: set[str] = set()
        for one in needs:
            artifacts |= self._add_bundle(one, files)
        for other in self.storage.others(name):
            with suppress(NotFoundError):  # not trained: whoever asks for its artifacts is told so
                artifacts |= self._add_bundle(other, files)
        return Parcel(
            storage=url,
            state=str(self.place.workspace.state),
            sockets=str(self.place.sockets),
            environment=str(environment.folder),
            lock=keys[1],
            wheel=keys[2],
            files=files,
            artifacts=tuple(sorted(artifacts)),
        )

    def _add_bundle(self, name: RevisionName, files: dict[str, str]) -> set[str]:
        bundle = read_bundle(self.place.workspace.state, str(name))
        files[f"{self._key(name)}/{_BUNDLE}"] = file_digest(self.place.revision(name) / _BUNDLE)
        return set(bundle.artifacts.values())

    def _read(self, name: RevisionName, keys: Sequence[str]) -> None:
        with self._files(name, keys) as files:
            self._digests.update({key: file_digest(path) for key, path in files.items()})

    def _put(self, objects: Objects, name: RevisionName, keys: Sequence[str]) -> None:
        if not self.place.source(name).is_dir():  # it has failed since, and was cleared away
            return
        with self._files(name, keys) as files:
            for key, path in files.items():
                if objects.size(key) != path.stat().st_size:
                    objects.upload(key, path)

    @contextmanager
    def _files(self, name: RevisionName, keys: Sequence[str]) -> Iterator[dict[str, Path]]:
        """Give the files that lie at these keys; the source is packed into one."""
        with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
            packed = Path(scratch) / _SOURCE
            pack(self.place.source(name), packed)
            state = self.place.workspace.state
            yield {key: packed if key.endswith(_SOURCE) else state / key for key in keys}

    def _key(self, name: RevisionName) -> str:
        return self.place.revision(name).relative_to(self.place.workspace.state).as_posix()
