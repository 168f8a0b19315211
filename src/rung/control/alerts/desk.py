"""What people do with alerts: say something of one, see whether channels work, try them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.control._finding import Finding
from rung.control.alerts.channels import channels_for, open_channel
from rung.control.alerts.owners import owners_of_alert
from rung.errors import NotFoundError, RungError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rung.control.place import Place
    from rung.registry import Alert, Registry
    from rung.settings import Settings

__all__ = ["Desk", "examine_channels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Of one platform."""

    place: Place
    registry: Registry
    settings: Settings

    def say(self, identity: int, what: str, *, because: str, actor: str, until: datetime | None = None) -> Alert:
        """Keep what somebody says of an open alert; that it was closed is told where it was told before.

        Raises:
            NotFoundError: There is no such alert.
            ConflictError: It is closed.
        """
        told: tuple[str, ...] = ()
        if what == "closed":
            alert = self.registry.alert(identity)
            owners = owners_of_alert(alert, place=self.place, registry=self.registry)
            told = channels_for(self.settings, alert, owners)
        return self.registry.say(identity, what, because=because, actor=actor, until=until, channels=told)

    def channels(self) -> list[dict[str, Any]]:
        """Tell of each channel where it leads, as far as that is no secret, and what was not told."""
        return [self._channel(name) for name in sorted(self.settings.channels())]

    def test(self, wanted: Sequence[str], *, actor: str) -> list[dict[str, str]]:
        """Put a test among what is to be told, for the channels that are wanted, or for all.

        Raises:
            NotFoundError: There is no such channel, or none at all.
        """
        known = sorted(self.settings.channels())
        unknown = sorted(set(wanted) - set(known))
        if unknown or not known:
            told = f"there is no channel {unknown[0]!r}" if unknown else "no channel is set"
            raise NotFoundError(
                told,
                hint=f"the channels are: {', '.join(known) or 'none'}; see [alerts.channels.NAME] and [people.NAME]",
            )
        names = [name for name in known if not wanted or name in wanted]
        because = f"{actor} tests the channels of alerts"
        ids = self.registry.tell_test(names, because=because, actor=actor)
        return [{"id": one, "channel": name} for one, name in zip(ids, names, strict=True)]

    def _channel(self, name: str) -> dict[str, Any]:
        declared = self.settings.channels()[name]
        waiting, error = self.registry.undelivered(name)
        shown: dict[str, Any] = {"name": name, "kind": declared.kind, "least": declared.least}
        try:
            channel = open_channel(name, declared, self.place.workspace.root)
        except RungError as wrong:
            return {**shown, "where": None, "signed": False, "undelivered": waiting, "error": str(wrong)}
        return {
            **shown,
            "where": channel.where,
            "signed": channel.secret is not None,
            "undelivered": waiting,
            "error": error,
        }


def examine_channels(place: Place, registry: Registry) -> Iterator[Finding]:
    """Look whether each channel can be used, and whether all was told that was to be, for `rung doctor`."""
    desk = Desk(place=place, registry=registry, settings=place.workspace.settings())
    for one in desk.channels():
        count, subject = one["undelivered"], f"channel {one['name']}"
        if one["where"] is None:
            yield Finding(subject=subject, is_well=False, told=one["error"], mend="see [alerts.channels] in rung.toml")
        elif count:
            told = f"{count:,} notification{'s were' if count > 1 else ' was'} not told: {one['error']}"
            yield Finding(subject=subject, is_well=False, told=told, mend=f"rung alerts test {one['name']}")
        else:
            yield Finding(subject=subject, is_well=True, told=f"it leads to {one['where']}, and all was told")
