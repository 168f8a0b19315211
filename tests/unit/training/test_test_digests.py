"""What makes a data test another one."""

from __future__ import annotations

import pytest

from rung.training._test_digests import reached

SOURCE = '''
"""Metrics."""
import math
from statistics import fmean as mean

from rung.testing import goal

LIMIT = 10.0
TABLE = {"a": 1}
TABLE["b"] = 2
if math.pi > 3:
    FACTOR = 2
else:
    FACTOR = 3


@goal.minimize
def error(client, X_test, y_test) -> float:
    """How far off."""
    return mean(off(client, X_test, y_test)) * FACTOR


@goal.maximize
def other(client, X_test, y_test) -> float:
    return TABLE["a"]


def off(client, X_test, y_test):
    return [min(abs(p.y - y), LIMIT) for p, y in zip(client.predict(X_test), y_test)]


class Unused:
    pass
'''

SAME = {
    "comment": ("LIMIT = 10.0", "LIMIT = 10.0  # dollars"),
    "docstring": ('"""How far off."""\n    return', "return"),
    "module's docstring": ('"""Metrics."""', ""),
    "layout": ("abs(p.y - y), LIMIT", "abs(p.y-y),\n    LIMIT"),
    "budget": ("@goal.minimize", "@goal.minimize(budget=0.1, smooth=False)"),
    "another test": ('return TABLE["a"]', "return 1"),
    "unused class": ("    pass", "    x = 1"),
    "order": ("LIMIT = 10.0\nTABLE = {", "TABLE = {"),
}


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME.keys())
def test_same_test(old: str, new: str):
    assert old in SOURCE
    changed = SOURCE.replace(old, new)
    moved = "" if "LIMIT = 10.0" in changed else "LIMIT = 10.0\n"
    assert reached(changed + moved, "error") == reached(SOURCE, "error")


CHANGED = {
    "body": ("* FACTOR", "* FACTOR + 1"),
    "helper": ("min(abs", "max(abs"),
    "constant": ("LIMIT = 10.0", "LIMIT = 11.0"),
    "branch": ("FACTOR = 3", "FACTOR = 4"),
    "import": ("from statistics import fmean as mean", "from statistics import median as mean"),
    "decorator": ("@goal.minimize", "@twice\n@goal.minimize"),
}


@pytest.mark.parametrize(("old", "new"), CHANGED.values(), ids=CHANGED.keys())
def test_changed_test(old: str, new: str):
    assert old in SOURCE
    assert reached(SOURCE.replace(old, new), "error") != reached(SOURCE, "error")


def test_changed_content_of_a_constant():
    assert reached(SOURCE.replace('TABLE["b"] = 2', 'TABLE["b"] = 3'), "other") != reached(SOURCE, "other")


def test_name_that_is_not_there_reaches_nothing():
    assert reached(SOURCE, "nowhere") == ""
