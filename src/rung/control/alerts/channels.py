"""Where alerts are told: channels as the settings name them, with their URLs and secrets, and how each is reached.

A URL may hold a secret, so it is told nowhere: not in a log, not in an error, not by the API.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import httpx2

from rung._http import verify
from rung.alerting import CONTENT_TYPE, cloud_event, message, rank, signature
from rung.control.alerts.people import Ended
from rung.errors import CallError, UnavailableError, WorkspaceError
from rung.settings import variable_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from rung.registry import Alert, Delivery
    from rung.settings import Channel as Declared
    from rung.settings import Settings

__all__ = ["Channel", "GoneError", "channels_for", "open_channel"]

_URL, _SECRET = "RUNG_ALERT_URL", "RUNG_ALERT_SECRET"
_TIMEOUT_S: Final = 10.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_APPRISE_S: Final = 20.0
_APPRISE_SAYS: Final[dict[int, str]] = {
    Ended.NOT_INSTALLED: "apprise is not installed: pip install 'rung[notify]'",
    Ended.UNKNOWN: "Apprise knows no such URL: see https://github.com/caronc/apprise/wiki",
    Ended.NOT_TOLD: "Apprise could not tell it",
}
_SHOWN: Final = 200
"""Letters of a receiver's answer that are kept."""


class GoneError(UnavailableError):
    """The receiver says that it takes nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel that can be used."""

    name: str
    kind: Literal["webhook", "apprise"]
    url: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)
    source: str  # URI reference of the platform, in events

    def send(self, delivery: Delivery) -> None:
        """Tell something.

        Raises:
            GoneError: The receiver takes nothing any more.
            UnavailableError: It was not taken; the same may be tried later.
        """
        if self.kind == "apprise":
            _send_by_apprise(self, delivery)
        else:
            _post(self, delivery)

    @property
    def where(self) -> str:
        """Tell of where it leads what is no secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or '...'}" if self.kind == "webhook" else f"{parts.scheme}://..."


def open_channel(name: str, declared: Declared, root: Path, environment: Mapping[str, str] = os.environ) -> Channel:
    """Find the URL and the secret of a channel.

    Args:
        name: Of the channel.
        declared: As the settings have it.
        root: Of the workspace; files are looked for from there.
        environment: Where `RUNG_ALERT_URL_NAME` and `RUNG_ALERT_SECRET_NAME` are looked for first; for a person's
            channel the name is `PERSON_CHANNEL`.

    Raises:
        WorkspaceError: It has no URL, a file cannot be read, or a webhook would send in the clear.
    """
    suffix = variable_of(name)
    url = environment.get(f"{_URL}_{suffix}") or declared.url or _content(declared.url_file, root, name)
    secret = environment.get(f"{_SECRET}_{suffix}") or _content(declared.secret_file, root, name)
    if not url:
        raise WorkspaceError(f"the channel {name} has no URL", hint=f"set url_file in rung.toml, or {_URL}_{suffix}")
    parts = urlsplit(url)
    is_near = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if declared.kind == "webhook" and not (parts.scheme == "https" and parts.hostname) and not is_near:
        raise WorkspaceError(
            f"the URL of the channel {name} is not https://, nor http:// on this machine", hint="mend it"
        )
    return Channel(name=name, kind=declared.kind, url=url, secret=secret, source=f"/rung/{root.name}")


def channels_for(settings: Settings, alert: Alert, owners: Collection[str] = ()) -> tuple[str, ...]:
    """Name the channels that an alert is told on: those of all, and those of the people who answer for it.

    Args:
        settings: Of the workspace.
        alert: What is told.
        owners: Names of who answers for what it is about.
    """
    wanted = settings.rules(alert.service).tell
    shared = [name for name in settings.alerts.channels if wanted is None or name in wanted]
    declared = settings.channels()
    return tuple(
        name for name in (*shared, *settings.channels_of(owners)) if rank(alert.severity) >= rank(declared[name].least)
    )


def _content(path: str | None, root: Path, name: str) -> str | None:
    if path is None:
        return None
    try:
        return (root / path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise WorkspaceError(f"{path} of the channel {name} cannot be read ({reason})", hint="see rung.toml") from None


def _post(channel: Channel, delivery: Delivery) -> None:
    body = cloud_event(delivery, source=channel.source)
    headers = {"content-type": CONTENT_TYPE, "webhook-id": delivery.id}
    if channel.secret is not None:
        try:
            headers |= signature(body, identity=delivery.id, moment=datetime.now(UTC), secret=channel.secret)
        except CallError as error:
            raise UnavailableError(error.message, hint=error.hint) from None
    try:
        answer = httpx2.post(
            channel.url, content=body, headers=headers, timeout=_TIMEOUT_S, verify=verify(channel.url), trust_env=False
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UnavailableError(f"its receiver does not answer ({type(error).__name__})") from None
    if answer.status_code == httpx2.codes.GONE:
        raise GoneError("its receiver answered 410: it takes nothing any more")
    if not answer.is_success:
        said = answer.text[:_SHOWN].replace(channel.url, "...").replace(urlsplit(channel.url).path or "\0", "...")
        raise UnavailableError(f"its receiver answered {answer.status_code}: {' '.join(said.split())}".rstrip(": "))


def _send_by_apprise(channel: Channel, delivery: Delivery) -> None:
    told = message(delivery)
    order = json.dumps({"url": channel.url, "title": told.title, "text": told.text})
    argv = [sys.executable, "-m", "rung.control.alerts.people"]
    try:
        ended = subprocess.run(argv, input=order, text=True, capture_output=True, timeout=_APPRISE_S, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"Apprise was not done within {_APPRISE_S:.0f} s") from None
    if ended.returncode:
        raise UnavailableError(_APPRISE_SAYS.get(ended.returncode, f"Apprise ended with {ended.returncode}"))
