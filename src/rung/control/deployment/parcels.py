"""What trainings and servers need on nodes that do not see the workspace's folder, where there is a storage.

Source, lock and Rung's own wheel are put into the storage before work begins; bundles and artifacts of trained
revisions are there. `Deployments` asks for trainings, the loop for servers.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rung.compute.protocol import Parcel
from rung.errors import NotFoundError, UnavailableError
from rung.objects import pack
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    _put: dict[str, str] = field(default_factory=dict)
    """Keys of what was put into the storage, with digests: none of it ever changes."""

    def of_training(self, revision: Revision, environment: Environment) -> Parcel | None:
        """Give the parcel of a training; None where there is no storage.

        Raises:
            UnavailableError: Its source is being put into the storage, or that does not take it.
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

    def returns(self, revision: Revision) -> tuple[str, ...]:
        """Name what comes back from a training, by paths below the state folder."""
        return (f"runs/{revision.run}", f"{self._key(revision.name)}/{_BUNDLE}")

    def _make(
        self, name: RevisionName, environment: Environment, *, needs: Sequence[RevisionName] = ()
    ) -> Parcel | None:
        objects, wheel = self.storage.objects, self.builds.environments.wheel_of(environment)
        if objects is None or wheel is None:
            return None
        state, folder = self.place.workspace.state, self._key(name)
        keys = (f"{folder}/{_SOURCE}", f"{folder}/{_LOCK}", wheel.relative_to(state).as_posix())
        if not self._put.keys() >= set(keys) and not self.storage.is_done(
            f"put {name}", partial(self._put_all, objects, name, keys)
        ):
            raise UnavailableError(f"what {name} needs on a node is being put into {objects.url}")
        files = {key: self._put[key] for key in keys}
        artifacts: set[str] = set()
        for one in needs:
            artifacts |= self._add_bundle(one, files)
        for other in self.storage.others(name):
            with suppress(NotFoundError):  # not trained: whoever asks for its artifacts is told so
                artifacts |= self._add_bundle(other, files)
        return Parcel(
            storage=objects.url,
            state=str(state),
            sockets=str(self.place.sockets),
            environment=str(environment.folder),
            lock=keys[1],
            wheel=keys[2],
            files=files,
            artifacts=tuple(sorted(artifacts)),
        )

    def _add_bundle(self, name: RevisionName, files: dict[str, str]) -> set[str]:
        bundle = read_bundle(self.place.workspace.state, str(name))
        files[f"{self._key(name)}/{_BUNDLE}"] = _digest(self.place.revision(name) / _BUNDLE)
        return set(bundle.artifacts.values())

    def _put_all(self, objects: Objects, name: RevisionName, keys: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
            packed = Path(scratch) / _SOURCE
            pack(self.place.source(name), packed)
            for key in keys:
                path = packed if key.endswith(_SOURCE) else self.place.workspace.state / key
                if objects.size(key) != path.stat().st_size:
                    objects.upload(key, path)
                self._put[key] = _digest(path)

    def _key(self, name: RevisionName) -> str:
        return self.place.revision(name).relative_to(self.place.workspace.state).as_posix()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
