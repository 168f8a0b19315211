"""What can be done on a page: each deed with its role, its command, and the use case of the API that it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from rung.access import Action, allowed
from rung.control.api.door import check
from rung.errors import CallError
from rung.lifecycle import MIRRORED, State
from rung.schema import RevisionName, check_service_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.access import Actor
    from rung.control._platform import Platform
    from rung.registry import Alert

__all__ = ["DEEDS", "Deed", "Offer", "do", "of_experiment", "of_major", "of_revision", "offer", "offer_of_alert"]

_LONGEST = 2_000  # characters of a reason
_MAJOR = re.compile(r"([a-z][a-z0-9_]{0,62})\.v([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A deed that was asked for."""

    platform: Platform
    actor: Actor
    subject: str
    because: str
    share: float
    """Of the requests."""
    hours: float
    """0: without end."""

    @property
    def revision(self) -> RevisionName:
        """The subject of most deeds."""
        return RevisionName.parse(self.subject)

    @property
    def major(self) -> tuple[str, int]:
        """The subject of the others."""
        return split_major(self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that can be done."""

    title: str
    told: str
    """What it brings about, in a sentence."""
    action: Action
    command: str
    """The same on the command line; `{subject}` and `{because}` stand for what is given."""
    do: Callable[[Order], object]
    of_alert: bool = False
    """Its subject is the number of an alert."""
    asks: tuple[str, ...] = ()
    """Of `because`, `share` and `hours`."""
    demands_reason: bool = False
    tone: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A deed that somebody may do to something now."""

    name: str
    deed: Deed
    subject: str

    @property
    def command(self) -> str:
        """What they would type, with a place for what is asked."""
        return self.deed.command.replace("{subject}", self.subject)


def _mirror(order: Order) -> object:
    until = datetime.now(UTC) + timedelta(hours=order.hours) if order.hours else None
    return order.platform.begin_shadow(order.revision, order.share, until=until, actor=str(order.actor))


def _opinion(*, approves: bool) -> Callable[[Order], object]:
    return lambda order: order.platform.approve(
        order.revision, approves=approves, because=order.because, actor=order.actor
    )


def _word(what: str, *, lasts: timedelta | None = None) -> Callable[[Order], object]:
    """Say something of an alert."""

    def say(order: Order) -> object:
        until = None if lasts is None else datetime.now(UTC) + lasts
        desk, actor = order.platform.alerts, str(order.actor)
        return desk.say(_alert_id(order.subject), what, because=order.because, actor=actor, until=until)

    return say


DEEDS: Mapping[str, Deed] = MappingProxyType(
    {
        "train": Deed(
            title="Train the next revision",
            told="The newest commit is trained in an environment of its own.",
            action=Action.DEPLOY,
            command="rung deploy training {subject}",
            do=lambda order: order.platform.deploy_training(
                check_service_name(order.subject), allow_dirty=False, actor=str(order.actor)
            ),
        ),
        "serve": Deed(
            title="Serve it",
            told="It is served at its own path, without production traffic.",
            action=Action.DEPLOY,
            command="rung deploy serving {subject}",
            do=lambda order: order.platform.deploy_serving(order.revision, actor=str(order.actor)),
        ),
        "promote": Deed(
            title="Promote it",
            told="It goes through all gates, and the evidence decides whether it answers production.",
            action=Action.PROMOTE,
            command="rung promote {subject}",
            do=lambda order: order.platform.promote(order.revision, actor=str(order.actor)),
        ),
        "approve": Deed(
            title="Approve",
            told="Its promotion may go on to production traffic.",
            action=Action.APPROVE,
            command="rung approve {subject} --because {because}",
            do=_opinion(approves=True),
            asks=("because",),
            demands_reason=True,
            tone="good",
        ),
        "reject": Deed(
            title="Reject",
            told="Its promotion ends, and it is torn down; its evidence stays.",
            action=Action.APPROVE,
            command="rung reject {subject} --because {because}",
            do=_opinion(approves=False),
            asks=("because",),
            demands_reason=True,
            tone="bad",
        ),
        "teardown": Deed(
            title="Tear it down",
            told="Its server is stopped, and a promotion under way ends; artifacts, logs and evidence stay.",
            action=Action.DEPLOY,
            command="rung teardown {subject} --because {because}",
            do=lambda order: order.platform.tear_down(order.revision, because=order.because, actor=str(order.actor)),
            asks=("because",),
            tone="bad",
        ),
        "revive": Deed(
            title="Revive it",
            told="It is served again at its own path, without production traffic.",
            action=Action.DEPLOY,
            command="rung revive {subject}",
            do=lambda order: order.platform.revive(order.revision, actor=str(order.actor)),
        ),
        "rollback": Deed(
            title="Roll back",
            told="The last incumbent answers production again, at once.",
            action=Action.PROMOTE,
            command="rung rollback {subject} --because {because}",
            do=lambda order: order.platform.rollback(*order.major, because=order.because, actor=str(order.actor)),
            asks=("because",),
            tone="bad",
        ),
        "pause": Deed(
            title="Pause the test",
            told="All units go to the incumbent until it is resumed; the deadline stays.",
            action=Action.PROMOTE,
            command="rung ab pause {subject} --because {because}",
            do=lambda order: order.platform.pause(*order.major, because=order.because, actor=str(order.actor)),
            asks=("because",),
        ),
        "resume": Deed(
            title="Resume the test",
            told="The challenger gets its share again; every unit goes back to its arm.",
            action=Action.PROMOTE,
            command="rung ab resume {subject}",
            do=lambda order: order.platform.resume(*order.major, actor=str(order.actor)),
        ),
        "abort": Deed(
            title="Abort the test",
            told="It ends in favour of the incumbent: the challenger is torn down, the evidence stays.",
            action=Action.PROMOTE,
            command="rung ab abort {subject} --yes --because {because}",
            do=lambda order: order.platform.abort(*order.major, because=order.because, actor=str(order.actor)),
            asks=("because",),
            tone="bad",
        ),
        "acknowledge": Deed(
            title="Acknowledge",
            told="Others see that somebody sees to it.",
            action=Action.DEPLOY,
            command="rung alerts acknowledge {subject} --because {because}",
            do=_word("acknowledged"),
            of_alert=True,
            asks=("because",),
            demands_reason=True,
        ),
        "silence": Deed(
            title="Silence for a week",
            told="Nothing is told of it for seven days, nor of what opens again in its place.",
            action=Action.DEPLOY,
            command="rung alerts silence {subject} --for 7d --because {because}",
            do=_word("silenced", lasts=timedelta(days=7)),
            of_alert=True,
            asks=("because",),
            demands_reason=True,
        ),
        "close": Deed(
            title="Close",
            told="It is over; while it goes on it opens again only when it gets worse.",
            action=Action.DEPLOY,
            command="rung alerts close {subject} --because {because}",
            do=_word("closed"),
            of_alert=True,
            asks=("because",),
            demands_reason=True,
        ),
        "shadow": Deed(
            title="Mirror production to it",
            told="It gets a copy of a share of the production requests; its answers reach no consumer. 0 ends it.",
            action=Action.PROMOTE,
            command="rung shadow {subject} --percent {percent}",
            do=_mirror,
            asks=("share", "hours"),
        ),
    }
)
"""All of them, by name."""


def do(name: str, form: Mapping[str, str], *, platform: Platform, actor: Actor) -> None:
    """Do what a form asks for, if its sender may.

    Raises:
        CallError: The form is not right.
        NotAllowedError: Their role does not suffice.
        RungError: The platform refuses, with its reason.
    """
    deed = DEEDS.get(name)
    if deed is None:
        raise CallError(f"there is no deed {name!r}", hint="go back, and load the page again")
    subject, because = form.get("subject", ""), form.get("because", "").strip()
    if deed.demands_reason and not because:
        raise CallError("there is no reason", hint="say in a sentence why: it is kept for ever")
    if len(because) > _LONGEST:
        raise CallError(f"the reason has {len(because):,} characters, and {_LONGEST:,} are kept", hint="shorten it")
    is_alert = deed.of_alert
    service = platform.registry.alert(_alert_id(subject)).service if is_alert else _service_of(subject)
    check(actor, deed.action, service)
    order = Order(
        platform=platform,
        actor=actor,
        subject=subject,
        because=because,
        share=_number(form.get("percent", "0"), "share", most=100.0) / 100,
        hours=_number(form.get("hours", "0"), "time", most=30 * 24.0),
    )
    deed.do(order)


def offer(actor: Actor, subject: str, *names: str) -> tuple[Offer, ...]:
    """Give those deeds that somebody may do."""
    service = _service_of(subject)
    return tuple(
        Offer(name=name, deed=DEEDS[name], subject=subject)
        for name in names
        if allowed(actor.grants, DEEDS[name].action, service)
    )


def offer_of_alert(actor: Actor, alert: Alert) -> tuple[Offer, ...]:
    """Give what somebody may say of an alert."""
    return tuple(
        Offer(name=name, deed=deed, subject=str(alert.id))
        for name, deed in DEEDS.items()
        if deed.of_alert and allowed(actor.grants, deed.action, alert.service)
    )


def of_revision(state: State, name: RevisionName, *, has_failed: bool = False) -> tuple[str, ...]:
    """Name what can be done to a revision in its state; one that has failed a gate is not promoted again."""
    found = {
        State.TRAINED: ("serve",),
        State.CANDIDATE: () if name.is_benchmark or has_failed else ("promote",),
        State.AWAITING_APPROVAL: ("approve", "reject"),
        State.TORN_DOWN: ("revive",),
    }.get(state, ())
    mirrored = ("shadow",) if state in MIRRORED and not name.is_benchmark else ()
    stoppable = state in MIRRORED or state in {State.EXPERIMENTING, State.ON_HOLD}
    return (*found, *mirrored, *(("teardown",) if stoppable else ()))


def of_major(*, is_reigned: bool, has_warm: bool) -> tuple[str, ...]:
    """Name what can be done to a major."""
    return ("rollback",) if is_reigned and has_warm else ()


def of_experiment(*, is_over: bool, is_paused: bool) -> tuple[str, ...]:
    """Name what can be done to an A/B test."""
    return () if is_over else ("resume" if is_paused else "pause", "abort")


def split_major(subject: str) -> tuple[str, int]:
    """Read `housing.v1`.

    >>> split_major("housing.v1")
    ('housing', 1)

    Raises:
        CallError: It names no major.
    """
    found = _MAJOR.fullmatch(subject)
    if found is None:
        raise CallError(f"{subject!r} names no major", hint="write it as housing.v1")
    return found[1], int(found[2])


def _alert_id(subject: str) -> int:
    if not (subject.isascii() and subject.isdigit() and len(subject) < 16):  # noqa: PLR2004  as the database counts
        raise CallError(f"{subject!r} is no alert", hint="`rung alerts` lists them")
    return int(subject)


def _service_of(subject: str) -> str:
    return check_service_name(subject.partition(".")[0])


def _number(given: str, what: str, *, most: float) -> float:
    try:
        found = float(given or "0")
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise CallError(f"the {what} is {given!r}", hint=f"give a number from 0 to {most:g}")
    return found
