"""What people do: sign a specification, review business metrics, ask for their data, say that these will come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.access import identities
from rung.control.practice.holds import held_majors
from rung.control.practice.papers import read_ab_test
from rung.errors import CallError, ConflictError, NotAllowedError, NotFoundError, RungError
from rung.practice import metrics_digest, metrics_without
from rung.schema import BusinessMetric, RevisionName

if TYPE_CHECKING:
    from rung.control.practice.practice import Practice
    from rung.control.practice.requests import DataRequest
    from rung.practice import Owner
    from rung.registry import Revision
    from rung.schema import ABTest


def sign(
    practice: Practice, service: str, owner: Owner, *, text: str | None, digest: str | None, actor: str, because: str
) -> dict[str, Any]:
    """Sign a version of a service's specification: a text that is given, or one that is kept, by its digest.

    Raises:
        CallError: Neither is given.
        ConflictError: They have signed just this before.
        NotAllowedError: The same person signed for the other owner, and two must sign.
        NotFoundError: There is no such service, or no such version is kept.
        WorkspaceError: The text cannot be read.
    """
    known = service in practice.place.workspace.services() or practice.registry.revisions(service)
    if not known:
        raise NotFoundError(f"there is no service {service!r} here", hint="`rung status` names them")
    specifications = practice.specifications
    if text is not None:
        digest = specifications.keep(service, text, actor=actor, because=f"it was signed for {owner}")
    if digest is None:
        raise CallError(
            "nothing is signed", hint="give the text of the specification, or the digest of one that is kept"
        )
    is_required = practice.is_required(service)
    specifications.sign(service, owner, digest, actor=actor, because=because, is_required=is_required)
    return specifications.sign_off(service, specifications.version(service, digest).text).to_json()


def declared(practice: Practice, service: str, major: int) -> dict[str, Any]:
    """Tell which business metrics a major declares, who reviewed them, and what they wait for.

    Raises:
        NotFoundError: No revision of it is trained.
    """
    revision, test = _newest(practice, service, major)
    name = revision.name.major_name
    return {
        "name": name,
        "revision": str(revision.name),
        "digest": metrics_digest(test),
        "metrics": [one.model_dump(mode="json") for one in test.metrics],
        "lacks": metrics_without(test),
        "review": practice.review_of(revision).to_json(),
        "reviews": [one.to_json() for one in practice.requests.reviews(name)],
        "on_hold": held_majors(practice.registry, service).get(name),
        "requests": [one.to_json() for one in practice.requests.all(service) if one.major == name],
    }


def review(practice: Practice, service: str, major: int, *, actor: str, because: str) -> dict[str, Any]:
    """Keep that somebody looked at the business metrics of a major as the newest revision declares them.

    Raises:
        ConflictError: They lack something, or the same person has reviewed just these before.
        NotAllowedError: Who deployed them would review them alone, and a second person must.
        NotFoundError: No revision of the major is trained.
    """
    revision, test = _newest(practice, service, major)
    if lacking := metrics_without(test):
        raise ConflictError(lacking, hint="declare it in schema/service.py, and deploy the next revision")
    if practice.is_required(service) and identities(actor) & identities(revision.actor):
        raise NotAllowedError(
            f"{revision.actor} deployed {revision.name}, and a second person reviews its metrics",
            hint="somebody else must review them",
        )
    practice.requests.review(revision.name.major_name, metrics_digest(test), actor=actor, because=because)
    return declared(practice, service, major)


def ask(practice: Practice, service: str, major: int, metric: str, *, to: str, actor: str, because: str) -> DataRequest:
    """Ask somebody for the data of a business metric.

    Raises:
        CallError: The major declares no such metric.
        ConflictError: Somebody is asked already.
        NotFoundError: No revision of the major is trained.
    """
    name = _metric(practice, service, major, metric)
    return practice.requests.ask(name, metric, to=to, actor=actor, because=because)


def fulfil(practice: Practice, service: str, major: int, metric: str, *, actor: str, because: str) -> DataRequest:
    """Keep that the data of a business metric are there, or will come: what it holds up goes on.

    Raises:
        CallError: The major declares no such metric.
        NotFoundError: Nobody is asked for them, or no revision of the major is trained.
    """
    name = _metric(practice, service, major, metric)
    return practice.requests.fulfil(name, metric, actor=actor, because=because)


def _metric(practice: Practice, service: str, major: int, metric: str) -> str:
    """Name the major of a metric that it declares."""
    revision, test = _newest(practice, service, major)
    known: list[BusinessMetric] = list(test.metrics)
    if metric not in {one.name for one in known}:
        names = ", ".join(one.name for one in known) or "none"
        raise CallError(f"{revision.name.major_name} has no business metric {metric!r}", hint=f"it declares {names}")
    return revision.name.major_name


def _newest(practice: Practice, service: str, major: int) -> tuple[Revision, ABTest]:
    for revision in reversed(practice.registry.revisions(service, major)):
        try:
            return revision, read_ab_test(practice.place, revision.name)
        except RungError:
            continue
    name = RevisionName(service=service, major=major, minor=0).major_name
    raise NotFoundError(f"no revision of {name} is trained", hint=f"`rung deploy training {service}` makes one")
