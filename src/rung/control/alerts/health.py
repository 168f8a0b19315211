"""Gathers what the rules about the platform's health judge: servers, gateway, verdicts, memory, disk, certificates."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from rung.alerting import Health, Unready
from rung.control._usage import idle
from rung.lifecycle import State
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.control._usage import Usage
    from rung.control.gateways import Gateways
    from rung.control.place import Place
    from rung.control.servers import Servers
    from rung.registry import Registry, Revision
    from rung.settings import Settings

__all__ = ["Pulse"]

_AT_ONCE: Final = 8
"""Servers that are asked at a time."""
_ASKED: Final = frozenset({State.INCUMBENT, State.EXPERIMENTING})


@dataclass(slots=True, kw_only=True)
class Pulse:
    """Asks everything of one platform how it is."""

    place: Place
    registry: Registry
    servers: Servers
    gateways: Gateways
    usage: Usage
    settings: Settings
    _away: dict[RevisionName | None, datetime] = field(default_factory=dict)
    """Since when a server, or the gateway (None), has not answered."""

    def feel(self) -> Health:
        """Look once.

        Raises:
            UnavailableError: The registry does not answer.
        """
        now = datetime.now(UTC)
        watched = self.registry.watched(now)
        idling = idle(watched, self.usage.last().asked, self.settings, now)
        return Health(
            now=now,
            unready=tuple(self._unready(watched, now)),
            verdicts=tuple(self.registry.latest("verdict").values()),
            overuse=tuple(self.registry.latest("overuse").values()),
            idle=tuple((RevisionName.parse(name), since) for name, since in idling.items()),
            free_bytes=shutil.disk_usage(self.place.workspace.state).free,
            certificates=tuple(self._certificates()),
            gateways=tuple(self.gateways.unwell()),
        )

    def _unready(self, watched: list[Revision], now: datetime) -> Iterator[Unready]:
        asked = {one.name: one.state for one in watched if one.state in _ASKED}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = dict(zip(asked, pool.map(lambda name: self.servers.is_ready(str(name)), asked), strict=True))
        found: dict[RevisionName | None, str] = {
            name: because for name, (ready, because) in answers.items() if not ready
        }
        if not self.gateways.own.ready():
            found[None] = "it has no configuration, or does not run"
        self._away = {name: self._away.get(name, now) for name in found}
        for name, because in found.items():
            is_incumbent = name is not None and asked[name] is State.INCUMBENT
            yield Unready(name=name, since=self._away[name], because=because, is_incumbent=is_incumbent)

    def _certificates(self) -> Iterator[tuple[str, datetime]]:
        path = self.settings.listen.certificate
        with suppress(OSError, ValueError):  # whoever starts with it is told
            if path is not None:
                chain = x509.load_pem_x509_certificates((self.place.workspace.root / Path(path)).read_bytes())
                yield path, min(one.not_valid_after_utc for one in chain)
