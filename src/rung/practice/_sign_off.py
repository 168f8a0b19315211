"""Who signed a specification, and who looked at the business metrics: what stands, what is stale, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

_SHOWN = 8  # characters of a digest behind its algorithm


class Owner(StrEnum):
    """The two who sign."""

    PRODUCT = "product"
    ENGINEERING = "engineering"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Somebody's word that they answer for a version of the specification."""

    owner: Owner
    actor: str
    digest: str
    """Of the version."""
    time: datetime
    because: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "owner": self.owner,
            "actor": self.actor,
            "digest": self.digest,
            "time": self.time.isoformat(),
            "because": self.because,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Somebody's look at a declaration of business metrics."""

    actor: str
    digest: str
    """Of the declaration."""
    time: datetime
    because: str

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {"actor": self.actor, "digest": self.digest, "time": self.time.isoformat(), "because": self.because}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """How far people have put their names to something."""

    is_complete: bool
    """Nothing is missing, for whoever asks for it."""
    because: str
    """One sentence."""
    next: str = ""
    """The command that brings it further; "" when it is complete."""
    signatures: tuple[Signature, ...] = ()
    """Those that stand."""
    stale: tuple[Signature, ...] = ()
    """The last ones of owners whose signature is of another version."""
    changed: Mapping[Owner, tuple[str, ...]] | None = None
    """By owner, what has changed since their stale signature."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "complete": self.is_complete,
            "because": self.because,
            "next": self.next,
            "signatures": [one.to_json() for one in self.signatures],
            "stale": [one.to_json() | {"changed": list((self.changed or {}).get(one.owner, ()))} for one in self.stale],
        }


def judge_signatures(
    service: str,
    digest: str,
    given: Sequence[Signature],
    *,
    identities: Callable[[str], frozenset[str]],
    changed: Callable[[str], tuple[str, ...]],
) -> SignOff:
    """Tell whether a version of a specification is signed by both owners, who are two people.

    Args:
        service: Whose specification.
        digest: Of the version.
        given: All signatures of the service, in the order in which they were given.
        identities: What an actor is known by; who shares one with another is taken for the same person.
        changed: The parts that differ from the version of this digest.
    """
    last = {one.owner: one for one in given}
    stands = {one.owner: one for one in given if one.digest == digest}
    stale = tuple(one for owner, one in last.items() if owner not in stands)
    told = [_said(owner, stands.get(owner), last.get(owner), changed) for owner in Owner]
    missing = [owner for owner in Owner if owner not in stands]
    one_person = not missing and _is_one(stands, identities)
    if one_person:
        told.append("one person signed for both, and it takes two")
    command = f"rung spec sign {service} --as {missing[0] if missing else Owner.PRODUCT}"
    return SignOff(
        is_complete=not missing and not one_person,
        because=f"specification {short(digest)}: {'; '.join(told)}",
        next=command if missing or one_person else "",
        signatures=tuple(stands.values()),
        stale=stale,
        changed={one.owner: changed(one.digest) for one in stale},
    )


def judge_review(
    major: str, digest: str, given: Sequence[Review], *, author: str, identities: Callable[[str], frozenset[str]]
) -> SignOff:
    """Tell whether a second person has looked at the business metrics as they are declared now.

    Args:
        major: Whose metrics, as `housing.v1`.
        digest: Of the declaration.
        given: All reviews of the major, in order.
        author: Who deployed it; "" while nobody did.
        identities: As for `judge_signatures`.
    """
    ours = [one for one in given if one.digest == digest]
    others = [one for one in ours if not author or not identities(one.actor) & identities(author)]
    command = f"rung metrics review {major} --because '...'"
    if others:
        last = others[-1]
        return SignOff(is_complete=True, because=f"the business metrics were reviewed by {last.actor}: {last.because}")
    if ours:
        told = f"the business metrics were reviewed by {ours[-1].actor} alone, who deployed them"
    elif given:
        told = f"the business metrics have changed since {given[-1].actor} reviewed them"
    else:
        told = "nobody has reviewed the business metrics"
    return SignOff(is_complete=False, because=told, next=command)


def short(digest: str) -> str:
    """Shorten a digest for people.

    >>> short("sha256:0123456789abcdef")
    '01234567'
    """
    return digest.rpartition(":")[2][:_SHOWN]


def _said(
    owner: Owner, stands: Signature | None, last: Signature | None, changed: Callable[[str], tuple[str, ...]]
) -> str:
    if stands is not None:
        return f"signed for {owner} by {stands.actor}"
    if last is None:
        return f"not signed for {owner}"
    parts = ", ".join(changed(last.digest)) or "an earlier version"
    return f"the signature for {owner} by {last.actor} is stale, since these changed: {parts}"


def _is_one(stands: Mapping[Owner, Signature], identities: Callable[[str], frozenset[str]]) -> bool:
    first, second = (identities(stands[owner].actor) for owner in Owner)
    return bool(first & second)
