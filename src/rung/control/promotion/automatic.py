"""Attempts that nobody asks for: with the policy `auto` each new candidate is promoted by itself, once.

With `approve` those that were retrained are, too: the attempt waits for people. The gates decide as ever.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rung.errors import ConflictError
from rung.lifecycle import State

if TYPE_CHECKING:
    from rung.control.promotion.promotions import Promotions
    from rung.registry import Revision
    from rung.schema import RevisionName

_AGAIN_S = 30.0  # a promotion that could not begin is tried again
_REFUSED = "not_promoted"


@dataclass(slots=True)
class Automatic:
    """Begins attempts that nobody asks for."""

    promotions: Promotions
    _tried: dict[RevisionName, float] = field(default_factory=dict)
    """Monotonic seconds of the last try."""

    def look(self) -> None:
        """Begin what is due: one attempt in each major at a time, the oldest candidate first.

        A revision that had an attempt, or was torn down and revived, is left to people.
        """
        registry = self.promotions.deployments.registry
        watched = registry.watched(datetime.now(UTC))
        candidates = [one for one in watched if one.state is State.CANDIDATE and not one.name.is_benchmark]
        if not candidates:
            return
        settings = self.promotions.deployments.place.workspace.settings()
        busy = {found.revision.major_name for found in registry.promotions(active_only=True)}
        for revision in candidates:
            name = revision.name
            policy = settings.policy(name.service).promotion
            begins = policy == "auto" or (policy == "approve" and revision.origin is not None)
            if begins and name.major_name not in busy and self._is_time(name) and registry.is_untried(name):
                self._begin(revision)
                busy.add(name.major_name)

    def _is_time(self, name: RevisionName) -> bool:
        return time.monotonic() - self._tried.get(name, -_AGAIN_S) >= _AGAIN_S

    def _begin(self, revision: Revision) -> None:
        """Begin an attempt; why one cannot begin is said once, until it is another reason."""
        registry = self.promotions.deployments.registry
        name = revision.name
        self._tried[name] = time.monotonic()
        try:
            self.promotions.begin(name, actor="rung")
        except ConflictError as error:
            told = registry.latest(_REFUSED, name.service).get(str(name))
            if told is None or told.because != str(error):
                registry.record_event(_REFUSED, str(name), because=str(error), actor="rung")
        else:
            del self._tried[name]
