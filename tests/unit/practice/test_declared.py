from __future__ import annotations

from rung.practice import count_metrics, read_declared

SERVING = """
import pytest

@pytest.mark.slow
def test_one(): ...

class TestMore:
    def test_two(self): ...

def helper(): ...
"""
DATA = """
from rung.testing import goal

@goal.maximize
def r2(client, X_test, y_test): ...

@goal.minimize(smooth=False)
def error(client, X_test, y_test): ...

def helper(): ...
"""
ACCEPTANCE = """
acceptance_test = AcceptanceTest(
    requests=requests,
    route="large",
    latency_p99_ms=400,
    stages=[Stage(users=2, duration=2), testing.Stage(users=N, duration=4, interval=0.05)],
)
"""
FILES = {
    "tests/serve/test_app.py": SERVING,
    "tests/regression.py": "def test_bigger_is_dearer(client) -> bool: ...\ndef house(): ...\n",
    "tests/data.py": DATA,
    "tests/acceptance.py": ACCEPTANCE,
}


def test_tests_are_read_without_running_them():
    found = read_declared(FILES)
    assert found.serving == ("test_one", "test_two")
    assert found.regression == ("test_bigger_is_dearer",)
    assert found.data == ("r2", "error")
    assert found.load is not None
    assert sorted(found.load.stages) == ["2 users for 2 s", "? users for 4 s"]
    assert (found.load.own_limits, found.load.route) == ({"latency_p99_ms": 400.0}, "large")


def test_what_cannot_be_parsed_declares_nothing():
    found = read_declared(dict.fromkeys(FILES, "def ("))
    assert (found.serving, found.regression, found.data, found.load) == ((), (), (), None)


def test_metrics_are_counted():
    assert count_metrics("ab_test = ABTest(metrics=[BusinessMetric(name='a'), schema.BusinessMetric(name='b')])") == 2
    assert count_metrics("ab_test = ABTest()") == 0
