"""Log lines -> what may be kept of them: each service's `Privacy`, applied before lines become rows of a table.

The shipper calls it. The keys by which units are compared are made afterwards, of what is kept: so a hashed unit is
known by the key of its hash, and a unit that is dropped by none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake.log import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.lake._privacy import Part, Privacy

__all__ = ["Redaction"]

_PARTS: Final[Mapping[str, Part]] = {
    "instances": "instance",
    "parameters": "parameters",
    "predictions": "prediction",
}
"""Fields of a prediction's line to what they are."""
_ASKED: Final[tuple[Part, ...]] = ("instance", "parameters")
_TOLD: Final = ("type", "title", "status")
"""What of a problem is always the same."""
_OWNER: Final = re.compile(rb'"(?:revision|service)":"([a-z][a-z0-9_]{0,62})[."]')


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is left out of the lines of each service."""

    privacies: Mapping[str, Privacy] = field(default_factory=dict)  # by service; one that is not there keeps all

    def fields(self, stream: str, fields: pl.DataFrame) -> pl.DataFrame:
        """Give the fields of good lines as they may be kept."""
        if not self.privacies or fields.is_empty():
            return fields
        owner = pl.col("revision").str.extract(r"^([^.]*)") if stream == PREDICTIONS else pl.col("service")
        services = fields.select(owner).to_series().to_list()
        if self.privacies.keys().isdisjoint(services):
            return fields
        parts = _PARTS if stream == PREDICTIONS else {}
        changed = [self._texts(fields[name], services, part) for name, part in parts.items()]
        if stream == PREDICTIONS:
            changed.append(self._problems(fields["error"], services))
            changed.append(self._fetched(fields["features"], services))
        return fields.with_columns(*changed, self._units(fields["unit"], services))

    def line(self, line: bytes) -> bytes:
        """Give a line that cannot be a row as it may be kept: nothing of it where it may hold what is left out."""
        if not self.privacies:
            return line
        owners = {found.decode() for found in _OWNER.findall(line)}
        return b"" if not owners or owners & self.privacies.keys() else line

    def _texts(self, texts: pl.Series, services: Iterable[str], part: Part) -> pl.Series:
        kept = [
            text if privacy is None or not privacy.touches(part) else _text(privacy, part, text)
            for text, privacy in zip(texts.to_list(), map(self.privacies.get, services), strict=True)
        ]
        return pl.Series(texts.name, kept, dtype=pl.String)

    def _problems(self, problems: pl.Series, services: Iterable[str]) -> pl.Series:
        kept = [
            _problem(text) if privacy is not None and text is not None and any(map(privacy.touches, _ASKED)) else text
            for text, privacy in zip(problems.to_list(), map(self.privacies.get, services), strict=True)
        ]
        return pl.Series(problems.name, kept, dtype=pl.String)

    def _fetched(self, features: pl.Series, services: Iterable[str]) -> pl.Series:
        """Leave out what was fetched for an instance of which something is left out: it names whom that is about."""
        kept = [
            None if privacy is not None and privacy.touches("instance") else text
            for text, privacy in zip(features.to_list(), map(self.privacies.get, services), strict=True)
        ]
        return pl.Series(features.name, kept, dtype=pl.String)

    def _units(self, units: pl.Series, services: Iterable[str]) -> pl.Series:
        kept = [
            unit if privacy is None else privacy.unit(unit)
            for unit, privacy in zip(units.to_list(), map(self.privacies.get, services), strict=True)
        ]
        return pl.Series(units.name, kept, dtype=pl.String)


def _text(privacy: Privacy, part: Part, text: str | None) -> str | None:
    """Give the JSON as it may be kept; of a body that is none, nothing can be told apart, and nothing is kept."""
    try:
        return privacy.text(part, text)
    except (ValueError, RecursionError):
        return None


def _problem(text: str) -> str | None:
    """Leave out the sentences of a problem: an author's validator may repeat what it was given."""
    try:
        problem = json.loads(text)
        return json.dumps({name: problem[name] for name in _TOLD if name in problem})
    except (ValueError, TypeError, RecursionError):
        return None
