"""Specifications in the registry: each version that was signed or deployed, and who signed which. Append-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.access import identities
from rung.errors import ConflictError, NotAllowedError, NotFoundError
from rung.practice import (
    Owner,
    Signature,
    Version,
    changed_parts,
    check_size,
    digest_of,
    judge_signatures,
    short,
)
from rung.schema import parse_specification

if TYPE_CHECKING:
    from rung.practice import SignOff
    from rung.registry import Registry

VERSION = "specification"
"""Kind of the events that keep a version."""
SIGNATURE = "signature"
"""Kind of the events that keep a signature."""
_LEAST_DIGEST = 4  # characters by which somebody names a version


@dataclass(frozen=True, slots=True)
class Specifications:
    """Reads and writes of one registry."""

    registry: Registry

    def keep(self, service: str, text: str, *, actor: str, because: str) -> str:
        """Keep a version, unless it is kept; give its digest.

        Raises:
            CallError: It is too large.
            WorkspaceError: Its front matter cannot be read.
        """
        digest = digest_of(text)
        if all(one.digest != digest for one in self.versions(service)):
            check_size(text)
            parse_specification(text)
            self.registry.record_event(VERSION, service, because=because, actor=actor, digest=digest, text=text)
        return digest

    def versions(self, service: str) -> list[Version]:
        """Give all versions that are kept, the oldest first."""
        return [
            Version(
                digest=event.data["digest"],
                text=event.data["text"],
                time=event.time,
                actor=event.actor,
                because=event.because,
            )
            for event in self.registry.events_of(VERSION, service=service)
        ]

    def version(self, service: str, wanted: str) -> Version:
        """Give a version by its digest, or by how that begins.

        Raises:
            NotFoundError: None is kept whose digest begins so.
            ConflictError: Several are.
        """
        found = [one for one in self.versions(service) if _begins(one.digest, wanted)]
        if not found:
            raise NotFoundError(
                f"no specification {wanted!r} of {service} is kept", hint=f"`rung spec history {service}` names them"
            )
        if len(found) > 1:
            raise ConflictError(
                f"{len(found)} specifications of {service} begin with {wanted!r}", hint="write more of it"
            )
        return found[0]

    def signatures(self, service: str) -> list[Signature]:
        """Give all signatures of a service's specifications, in order."""
        return [
            Signature(
                owner=Owner(event.data["owner"]),
                actor=event.actor,
                digest=event.data["digest"],
                time=event.time,
                because=event.data.get("said", ""),
            )
            for event in self.registry.events_of(SIGNATURE, service=service)
        ]

    def sign(self, service: str, owner: Owner, digest: str, *, actor: str, because: str, is_required: bool) -> None:
        """Keep that an owner signed a version that is kept.

        Raises:
            ConflictError: They have signed just this before.
            NotAllowedError: The same person signed for the other owner, and two must sign.
            NotFoundError: No such version is kept.
        """
        version = self.version(service, digest)
        ours = [one for one in self.signatures(service) if one.digest == version.digest]
        known = identities(actor)
        for one in ours:
            if one.owner is owner and one.actor == actor:
                raise ConflictError(
                    f"{actor} has signed {short(version.digest)} for {owner} before", hint="it stands until it changes"
                )
            if is_required and one.owner is not owner and known & identities(one.actor):
                raise NotAllowedError(
                    f"{one.actor} has signed {short(version.digest)} for {one.owner}, and nobody signs for both",
                    hint=f"somebody else must sign for {owner}",
                )
        told = f"{short(version.digest)} was signed for {owner}" + (f": {because}" if because else "")
        data = {"owner": owner, "digest": version.digest, "said": because}
        self.registry.record_event(SIGNATURE, service, because=told, actor=actor, **data)

    def sign_off(self, service: str, text: str) -> SignOff:
        """Tell how far a text is signed, and what has changed since the signatures that are stale."""
        kept = {one.digest: one.text for one in self.versions(service)}

        def changed(digest: str) -> tuple[str, ...]:
            return changed_parts(kept[digest], text) if digest in kept else ()

        signed = self.signatures(service)
        return judge_signatures(service, digest_of(text), signed, identities=identities, changed=changed)


def _begins(digest: str, wanted: str) -> bool:
    bare = wanted.removeprefix("sha256:")
    return len(bare) >= _LEAST_DIGEST and digest.removeprefix("sha256:").startswith(bare)
