"""When something comes round: a cron expression in a time zone, and the instant that follows another one.

Pure: whoever asks says what time it is. The control plane asks for what it starts by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from cronsim import CronSim

__all__ = ["Schedule"]

_FIELDS: Final = ("minute", "hour", "day-of-month", "month", "day-of-week")
_EXAMPLE: Final = 'five fields, as "0 6 * * 1": minute, hour, day of month, month, day of week (0 is Sunday)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Instants that come round; made by hand it is checked, too.

    Where clocks change, it is as in Debian's cron: what falls into the hour that is left out comes right after it, what
    falls into the hour that comes twice comes once. An expression whose minute or hour begins with `*` goes by elapsed
    time instead.

    >>> Schedule(cron="30 2 * * *", zone="Europe/Berlin").after(datetime(2026, 3, 28, 12, 0, tzinfo=UTC)).isoformat()
    '2026-03-29T01:00:00+00:00'

    Raises:
        CallError: It is not a cron expression, it never comes, or there is no such time zone.
    """

    cron: str
    """Five fields: minute, hour, day of month, month, day of week."""
    zone: str = "UTC"
    """Name of the IANA time zone in which the fields are meant, as `Europe/Berlin`."""

    def __post_init__(self) -> None:
        self.after(datetime(2026, 1, 1, tzinfo=UTC))

    def after(self, instant: datetime) -> datetime:
        """Give the first instant of the schedule that is later than another one, in UTC.

        Args:
            instant: Aware.
        """
        for following in _instants(self.cron, instant.astimezone(_zone(self.zone))):
            if (found := following.astimezone(UTC)) > instant:
                return found
        raise CallError(f"the cron expression {self.cron!r} never comes", hint=f"write {_EXAMPLE}")


def _instants(cron: str, start: datetime) -> CronSim:
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise CallError(f"the cron expression {cron!r} has {len(fields)} fields", hint=f"write {_EXAMPLE}")
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  optional: the platform extra

    try:
        return CronSim(cron, start)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        raise CallError(
            f"the cron expression {cron!r} has {fields[_FIELDS.index(name)]!r} as {name}", hint=f"write {_EXAMPLE}"
        ) from error


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # known without a database of time zones
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  read only where a zone is named

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CallError(
            f"there is no time zone {name!r}", hint="write a name of the IANA database, as Europe/Berlin or UTC"
        ) from error
