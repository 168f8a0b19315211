"""A registry in a real file and in a real server, and revisions brought to where a test needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rung.lifecycle import State
from rung.registry import Promotion, Registry, open_registry
from rung.schema import RevisionName

if TYPE_CHECKING:
    from pathlib import Path

    from postgresql import PostgresServer

Candidate = Callable[[], RevisionName]
Attempt = Callable[[RevisionName], Promotion]

PATH = (State.TRAINED, State.DEPLOYING, State.CANDIDATE)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the registry of this test lies: a file in `tmp_path`, or a new database, which may have nothing in it."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.database(migrated=request.param == "postgresql")


@pytest.fixture
def registry(tmp_path: Path, url: str | None) -> Iterator[Registry]:
    with open_registry(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def candidate(registry: Registry) -> Candidate:
    def make() -> RevisionName:
        name = registry.create_revision("housing", 1, actor="ada", commit="c0ffee", dirty=False)
        for state in PATH:
            registry.move(name, state, because=f"it is {state}", actor="ada")
        return name

    return make


@pytest.fixture
def attempt(registry: Registry) -> Attempt:
    def begin(name: RevisionName) -> Promotion:
        identity = registry.begin_promotion(name, actor="ada")
        return next(one for one in registry.promotions() if one.id == identity)

    return begin


@pytest.fixture
def crowned(registry: Registry, candidate: Candidate, attempt: Attempt, in_an_hour: datetime) -> Candidate:
    def make() -> RevisionName:
        name = candidate()
        registry.crown(attempt(name), because="it is better", warm_until=in_an_hour)
        return name

    return make


@pytest.fixture
def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)
