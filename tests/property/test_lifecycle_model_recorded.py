"""Recorded histories, done again on every change: the same moves, the same log, and the same traffic at every step.

`demo.jsonl` is of `make demo`, the others of the model's control plane. `tests/support/histories.py` records more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import histories
import lifecycle_invariants as invariants
import pytest
from lifecycle_invariants import Held

from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with open_registry(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("path", sorted(histories.FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_recorded_history_comes_out_the_same(path: Path, registry: Registry) -> None:
    lines = histories.read(path)
    for line in histories.Replay(registry=registry, joint=histories.joint_in(lines)).steps(lines):
        invariants.check(Held.by(registry), histories.routed(registry))
        assert histories.answering(registry) == line["answering"], line
    again = histories.told(registry.events(limit=len(lines) + 1))
    assert again == [{name: value for name, value in line.items() if name != "answering"} for line in lines]
