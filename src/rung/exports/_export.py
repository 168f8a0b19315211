"""The revision that is exported: on record, verified, with the environment in which it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.compute.environments import Environments, Lock
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.place import Place
from rung.errors import NotFoundError
from rung.registry import open_registry
from rung.serving import read_bundle
from rung.training._kept import kept_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.compute.environments import Environment
    from rung.control.deployment.trust import Verified
    from rung.registry import Revision
    from rung.schema import RevisionName
    from rung.serving import Bundle
    from rung.workspace import Workspace

INSIDE: Final = Path(__file__).parent / "inside"
HANDLERS: Final = INSIDE / "rung_handlers.py"
"""Asks a revision's handlers inside its own environment; it is copied to where that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A verified revision, and where its files lie."""

    place: Place
    revision: Revision
    run: Mapping[str, Any]
    """The record of its training."""
    bundle: Bundle
    verified: Verified

    @property
    def name(self) -> RevisionName:
        """Of the revision."""
        return self.revision.name

    def lock(self) -> Lock:
        """Read the lock of its environment."""
        return Lock(text=(self.place.revision(self.name) / "requirements.lock").read_text(encoding="utf-8"))

    def environment(self) -> Environment:
        """Give its environment; one that is gone is made again, which takes a while.

        Raises:
            EnvironmentBuildError: It cannot be made.
        """
        environments = Environments(self.place.environments)
        found = environments.find(self.revision.environment) if self.revision.environment else None
        return found or environments.ensure(self.lock())


def open_export(name: RevisionName, workspace: Workspace) -> Export:
    """Hold a revision's files, artifacts and source too, against what was signed, and give it to be exported.

    What is not here is fetched from the storage, where there is one.

    Raises:
        NotFoundError: There is no such revision, it is not trained, or its source is neither here nor in the storage.
        IntegrityError: Something is not as it was signed, or has to be signed and is not.
    """
    place = Place(workspace=workspace)
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        revision = registry.revision(name)
        Storage(place, registry, kept_in(workspace)).bring_now(name)
        bundle = read_bundle(workspace.state, str(name))
        run = registry.run(revision.run)
    trust = Trust.of(place)
    verified = trust.check(name, contents=True)
    if not place.source(name).is_dir():
        raise NotFoundError(
            f"the source snapshot of {name} is not in {place.source(name)}", hint="bring it back from a backup"
        )
    trust.check_source(verified)
    return Export(place=place, revision=revision, run=run, bundle=bundle, verified=verified)
