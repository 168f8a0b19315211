"""What of a node's folder no work has used for two weeks."""

from __future__ import annotations

from typing import Any

import pytest

from rung.compute.nodes import Use, unused

DAY = 86_400.0
NOW = 1_800_000_000.0
LONG_AGO, LATELY = NOW - 15 * DAY, NOW - 13 * DAY


def use(*paths: str, **more: Any) -> Use:
    told = {"begun": LONG_AGO - DAY, "last": LONG_AGO, "is_running": False, "makes": False}
    return Use(paths=frozenset(paths), **told | more)


@pytest.mark.parametrize(
    ("written", "uses", "gone"),
    [
        pytest.param(LONG_AGO, [], True, id="nobody has used it"),
        pytest.param(LATELY, [], False, id="it was written lately"),
        pytest.param(LONG_AGO, [use("runs/r1")], True, id="it was used long ago"),
        pytest.param(LONG_AGO, [use("runs/r1", last=LATELY)], False, id="it was used lately"),
        pytest.param(LONG_AGO, [use("runs/r1", is_running=True)], False, id="what runs uses it"),
        pytest.param(LONG_AGO, [use("runs/r1/run.json", is_running=True)], False, id="what runs uses a part of it"),
        pytest.param(LONG_AGO, [use("runs/r12", is_running=True)], True, id="what runs uses one with a longer name"),
        pytest.param(LONG_AGO, [use("runs/r2"), use("runs/r1", last=LATELY)], False, id="one of two has used it"),
        pytest.param(LONG_AGO, [use(is_running=True, makes=True)], False, id="what makes things runs since before"),
        pytest.param(
            LONG_AGO, [use(is_running=True, makes=True, begun=LATELY)], True, id="what makes things runs since after"
        ),
        pytest.param(LONG_AGO, [use(makes=True)], True, id="what made things is over"),
    ],
)
def test_unused_is_what_nobody_had_for_two_weeks(written: float, uses: list[Use], *, gone: bool):
    assert unused({"runs/r1": written}, uses, now=NOW) == ["runs/r1"] * gone
