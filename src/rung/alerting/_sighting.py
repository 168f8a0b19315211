"""What a rule saw in one look: an alert is open while there are sightings of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.settings import Severity

__all__ = ["NEXT", "SEVERITIES", "Sighting", "rank"]

_RANKS: Final[dict[str, int]] = {"info": 0, "warning": 1, "critical": 2}

SEVERITIES: Final[dict[str, Severity]] = {
    "drift": "warning",
    "segment": "info",
    "integrity": "warning",
    "errors": "critical",
    "latency": "warning",
    "quality": "critical",
    "estimate": "warning",
    "unready": "critical",
    "experiment": "warning",
    "gate": "info",
    "overuse": "warning",
    "idle": "info",
    "freshness": "warning",
    "coverage": "warning",
    "disk": "warning",
    "certificate": "warning",
}
"""How bad each kind is, where its rule says nothing else. Drift explains; what hurts are errors, and quality."""

NEXT: Final[dict[str, str]] = {
    "drift": "rung monitor {about}",
    "segment": "rung monitor {about}",
    "integrity": "rung monitor {about}",
    "errors": "rung logs {about} --server",
    "latency": "rung monitor {about}",
    "quality": "rung rollback {major}",
    "estimate": "rung monitor {about}",
    "unready": "rung logs {about} --server",
    "experiment": "rung ab plot {major}",
    "gate": "rung why {about}",
    "overuse": "rung cost {service}",
    "idle": "rung teardown {about}",
    "freshness": "rung data show {subject}",
    "coverage": "rung monitor {service}",
    "disk": "rung gc --runs-older-than 30d",
    "certificate": "rung doctor",
}
"""The command that goes on from an alert of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something that is, or still is, as a rule says that it should not be."""

    kind: str
    subject: str  # of what: a column, a metric, a server, a dataset
    service: str = "*"  # `*`: the platform itself
    major: int = 0  # 0: the service as a whole
    minor: int | None = None
    against: str = ""  # `training`, `before`, `limit`
    severity: Severity = "warning"
    because: str  # one sentence
    owner: str = ""  # whom it is for, where that is not who trained the revision
    data: Mapping[str, Any] = field(default_factory=dict)  # figures, as JSON has them
    scope: str = "health"  # which looks can tell that it is over
    opens: bool = True  # False: it keeps an alert open, and opens none

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        """What no two open alerts share."""
        return self.service, self.major, self.kind, self.subject, self.against

    @property
    def about(self) -> str:
        """Name what it is about: a revision, a major, a service, or the platform."""
        if not self.major:
            return self.service
        name = f"{self.service}.v{self.major}"
        return name if self.minor is None else f"{name}.m{self.minor}"

    @property
    def next(self) -> str:
        """The command that goes on from it."""
        major = f"{self.service}.v{self.major}" if self.major else self.service
        told = NEXT[self.kind].format(about=self.about, major=major, service=self.service, subject=self.subject)
        return "rung doctor" if self.kind == "unready" and not self.major else told

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**data)


def rank(severity: str) -> int:
    """Order severities: the worse, the higher.

    >>> rank("info") < rank("critical")
    True
    """
    return _RANKS[severity]
