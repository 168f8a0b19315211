from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from rung.control._upkeep import keep_from, retention_of
from rung.registry import Experiment
from rung.schema import RevisionName
from rung.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def experiment(service: str, started: datetime) -> Experiment:
    return Experiment(
        id="e1",
        promotion=1,
        incumbent=RevisionName.parse(f"{service}.v1.m1"),
        challenger=RevisionName.parse(f"{service}.v1.m2"),
        design={},
        started=started,
        ended=None,
        look=None,
    )


def test_rows_are_kept_for_some_days():
    assert keep_from({"housing": 10}, [], now=NOW) == {"housing": date(2026, 11, 11)}


@pytest.mark.parametrize(
    ("service", "started", "first"),
    [
        pytest.param("housing", datetime(2026, 11, 20, tzinfo=UTC), date(2026, 10, 21), id="with the weeks before"),
        pytest.param("housing", datetime(2026, 1, 31, tzinfo=UTC), date(2026, 1, 1), id="however long it takes"),
        pytest.param("sales", datetime(2026, 1, 31, tzinfo=UTC), date(2026, 11, 11), id="of another service"),
    ],
)
def test_a_test_under_way_keeps_its_rows(service: str, started: datetime, first: date):
    assert keep_from({"housing": 10}, [experiment(service, started)], now=NOW) == {"housing": first}


def test_services_keep_rows_for_ever_unless_told():
    settings = Settings.model_validate({"services": {"housing": {"log": {"retention_days": 30}}, "sales": {}}})
    assert retention_of(settings) == {"housing": 30}
