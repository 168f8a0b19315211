"""Whose artifacts are served: trainings are stated and signed when they ended, and held against that before each use.

`Deployments` has a training signed and asks before a revision is served, `Promotions` before it is promoted, the loop
before a server is started; `rung verify` asks for a person. What is false is refused, always. What nobody we trust has
signed is refused when it holds pickles, or when the settings want every revision signed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import rung
from rung import artifacts
from rung.artifacts import LocalStore, digest_of
from rung.errors import IntegrityError, NotFoundError, RungError
from rung.lifecycle import State
from rung.schema import RevisionName
from rung.serving import read_bundle
from rung.signing import Dependency, Keys, Provenance, Subject, Unsigned, seal, unseal
from rung.training._stored import SOURCE, source_digest
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.control.place import Place
    from rung.registry import Registry, Revision
    from rung.serving import Bundle

__all__ = ["PROVENANCE", "SIGNED", "Trust", "Verified"]

PROVENANCE = "provenance.json"
"""Beside the bundle of a revision."""
SIGNED = "provenance"
"""Kind of the events that tell of signatures."""
_BUNDLE, _LOCK, _ARTIFACT = "bundle.json", "requirements.lock", "artifacts/"
_UNTRAINED = (State.TRAINING, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is known of where a revision comes from."""

    revision: str
    bundle: str  # digest of the bundle
    signed_by: str | None  # id of the trusted key; None: nobody that is trusted
    provenance: Provenance | None
    pickled: tuple[str, ...]  # artifacts that run code when they are read
    told: str  # one sentence

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        stated = self.provenance
        return {
            "revision": self.revision,
            "signed": self.signed_by is not None,
            "key": self.signed_by,
            "bundle": self.bundle,
            "pickled": list(self.pickled),
            "run": stated.run if stated else None,
            "actor": stated.actor if stated else None,
            "adopted": stated.adopted if stated else None,
            "dependencies": {one.name: one.digest for one in stated.dependencies} if stated else {},
            "told": self.told,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """States, signs and checks where the revisions of one workspace come from."""

    place: Place
    keys: Keys
    required: bool = False  # also of revisions without pickles
    stored: bool = False  # artifacts that are not here are in the storage, and are read when they are brought

    @classmethod
    def of(cls, place: Place) -> Self:
        """Give that of a workspace, as its settings and `RUNG_SIGNING_KEY` say."""
        given = os.environ.get("RUNG_SIGNING_KEY")
        keys = Keys(folder=place.workspace.state / "keys", given=Path(given) if given else None)
        settings = place.workspace.settings()
        return cls(place=place, keys=keys, required=settings.require_signatures, stored=settings.storage is not None)

    def begin(self, registry: Registry) -> None:
        """See to the key. Where none was ever trusted, what was trained before is taken as it was found: this once.

        A revision whose files are not those of the registry's own record of its training is left unsigned.

        Raises:
            WorkspaceError: The key cannot be used.
        """
        self.keys.make()
        if self.keys.trust_nothing_yet:
            for revision in registry.revisions():
                if revision.state not in _UNTRAINED:
                    self._adopt(registry, revision)
        self.keys.trust_own()

    def sign(self, revision: Revision, record: Mapping[str, Any], *, adopted: bool = False) -> Provenance:
        """State what a training made, and of what; sign that, and keep it beside the bundle.

        Args:
            revision: The revision.
            record: The record of its training, as JSON data.
            adopted: It was trained before anything was signed.

        Raises:
            IntegrityError: The bundle has other artifacts than the record.
            WorkspaceError: The key cannot be used.
        """
        bundle = read_bundle(self.place.workspace.state, str(revision.name))
        _agree(bundle, record)
        stated = Provenance(
            revision=str(revision.name),
            subjects=tuple(self._subjects(revision.name, bundle)),
            dependencies=(*_dependencies(record), *self._snapshot(revision.name)),
            run=str(record["id"]),
            actor=revision.actor,
            rung=rung.__version__,
            started=str(record["started"]),
            ended=str(record.get("ended") or datetime.now(UTC).isoformat()),
            adopted=adopted,
        )
        key, name = self.keys.signer()
        write_atomically(self._path(revision.name), seal(stated.to_json(), key, name=name), durable=True)
        return stated

    def check(self, name: RevisionName, *, contents: bool = False) -> Verified:
        """Hold a revision against its statement; raise unless it may be served.

        Args:
            name: The revision.
            contents: Also read every artifact and hold its bytes against their digest; a server does that itself.

        Raises:
            NotFoundError: It is not trained.
            IntegrityError: Something is not as it was signed, or has to be signed and is not.
        """
        bundle, pickled = read_bundle(self.place.workspace.state, str(name)), self._pickled(name)
        if contents:
            self._read_all(bundle)
        try:
            stated, key = self._stated(name)
        except Unsigned as error:
            return self._unsigned(name, pickled, error)
        self._hold(name, bundle, stated)
        how = "taken as it was found" if stated.adopted else f"trained by {stated.actor}"
        return Verified(
            revision=str(name),
            bundle=self._bundle_digest(name),
            signed_by=key,
            provenance=stated,
            pickled=pickled,
            told=f"{name} is what was signed by the key {key[:16]}: {how}, {len(bundle.artifacts)} artifacts",
        )

    def check_source(self, verified: Verified) -> None:
        """Hold the source snapshot of a verified revision against what was signed.

        Nothing happens where its statement, of an earlier Rung, does not tell.

        Raises:
            IntegrityError: It is another one.
        """
        name = RevisionName.parse(verified.revision)
        stated = [one for one in verified.provenance.dependencies if one.name == SOURCE] if verified.provenance else []
        for found in self._snapshot(name) if stated else ():
            if found != stated[0]:
                raise _false(f"the source of {name} is {found.digest[:19]}, and {stated[0].digest[:19]} was signed")

    def bundles(self, names: Iterable[RevisionName]) -> dict[str, str]:
        """Give the digests of the bundles that passed, by revision: what a server may read, and load pickles of."""
        found: dict[str, str] = {}
        for name in names:
            try:
                verified = self.check(name)
            except RungError:
                continue
            if verified.signed_by is not None:
                found[str(name)] = verified.bundle
        return found

    def _adopt(self, registry: Registry, revision: Revision) -> None:
        name = str(revision.name)
        try:
            stated = self.sign(revision, registry.run(revision.run), adopted=True)
        except (NotFoundError, IntegrityError) as error:
            registry.record_event(SIGNED, name, because=f"it was not adopted: {error.message}", actor="rung")
            return
        because = f"it was trained before anything was signed, and taken as it was found: {len(stated.subjects)} files"
        registry.record_event(SIGNED, name, because=because, actor="rung", adopted=True)

    def _unsigned(self, name: RevisionName, pickled: tuple[str, ...], error: Unsigned) -> Verified:
        if pickled or self.required:
            why = f"{', '.join(pickled)} {'is' if len(pickled) == 1 else 'are'} pickled" if pickled else "all must be"
            raise IntegrityError(
                f"{name} is not signed by a key that is trusted here ({error.message}), and {why}",
                hint="train the next revision on this platform, or trust the key that signed it: .rung/keys/trusted",
            )
        return Verified(
            revision=str(name),
            bundle=self._bundle_digest(name),
            signed_by=None,
            provenance=None,
            pickled=(),
            told=f"{name} is not signed ({error.message}); it holds no pickles, and nothing demands a signature",
        )

    def _stated(self, name: RevisionName) -> tuple[Provenance, str]:
        try:
            envelope = self._path(name).read_bytes()
        except FileNotFoundError:
            raise Unsigned("it has no provenance.json") from None
        payload, key = unseal(envelope, self.keys.trusted())
        return Provenance.from_json(payload), key

    def _hold(self, name: RevisionName, bundle: Bundle, stated: Provenance) -> None:
        """Hold what is there against what was signed."""
        if stated.revision != str(name):
            raise _false(f"the statement of {name} is one of {stated.revision}")
        for subject in self._subjects(name, bundle):
            signed = stated.digest_of(subject.name)
            if signed != subject.digest:
                was = f"{signed[:19]} was signed" if signed else "was not signed"
                raise _false(f"{subject.name} of {name} is {subject.digest[:19]}, and {was}")

    def _subjects(self, name: RevisionName, bundle: Bundle) -> Iterable[Subject]:
        folder = self.place.revision(name)
        yield Subject(name=_BUNDLE, digest=self._bundle_digest(name))
        yield Subject(name=_LOCK, digest=digest_of((folder / _LOCK).read_bytes()))
        for task, digest in sorted(bundle.artifacts.items()):
            yield Subject(name=f"{_ARTIFACT}{task}", digest=digest)

    def _snapshot(self, name: RevisionName) -> list[Dependency]:
        """Give the digest of the source snapshot; nothing where it is not here."""
        if not self.place.source(name).is_dir():
            return []
        return [Dependency(name=SOURCE, digest=source_digest(self.place.source(name)))]

    def _read_all(self, bundle: Bundle) -> None:
        store = LocalStore(self.place.workspace.artifacts)
        for digest in bundle.artifacts.values():
            if store.has(digest) or not self.stored:
                store.get(digest)

    def _pickled(self, name: RevisionName) -> tuple[str, ...]:
        """Name the artifacts that run code when they are read; one that is not here is found missing by the server."""
        bundle = read_bundle(self.place.workspace.state, str(name))
        store = LocalStore(self.place.workspace.artifacts)
        found = [
            task
            for task, digest in sorted(bundle.artifacts.items())
            if store.has(digest) and artifacts.describe(store.path(digest)).marked_unsafe
        ]
        return tuple(found)

    def _bundle_digest(self, name: RevisionName) -> str:
        return digest_of((self.place.revision(name) / _BUNDLE).read_bytes())

    def _path(self, name: RevisionName) -> Path:
        return self.place.revision(name) / PROVENANCE


def _agree(bundle: Bundle, record: Mapping[str, Any]) -> None:
    """Hold a bundle against the record of its training: it may name what the training kept, and nothing else."""
    kept = {task["name"]: task["digest"] for task in record["tasks"]}
    for task in record["tasks"]:
        kept.update(task.get("kept", {}))  # records of earlier versions do not have all that follows
    other = sorted(name for name, digest in bundle.artifacts.items() if kept.get(name) != digest)
    if other:
        raise _false(f"the bundle of {bundle.revision} has another {', '.join(other)} than its training kept")


def _dependencies(record: Mapping[str, Any]) -> Iterable[Dependency]:
    if record.get("commit"):
        yield Dependency(name="source", digest=f"gitCommit:{record['commit']}")
    for name in ("patch", "requirements", "environment"):
        if record.get(name):
            yield Dependency(name=name, digest=_qualified(str(record[name])))
    seen = {read["path"]: read["digest"] for task in record["tasks"] for read in task.get("data", ())}
    for path, digest in sorted(seen.items()):
        yield Dependency(name=f"data/{path}", digest=_qualified(str(digest)))


def _qualified(digest: str) -> str:
    return digest if ":" in digest else f"sha256:{digest}"


def _false(told: str) -> IntegrityError:
    return IntegrityError(told, hint="bring it back from a backup, or train the next revision")
