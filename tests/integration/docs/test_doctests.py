"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import rung

_SOURCE = Path(rung.__file__).parent
_MODULES = sorted(
    ".".join(("rung", *path.relative_to(_SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in _SOURCE.rglob("*.py")
    if "templates" not in path.parts and ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", _MODULES)
def test_docstring_examples_run(name: str):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted > 0
    assert failed == 0


def test_pure_packages_have_examples():
    assert {"rung.graph", "rung.schema._name", "rung.stats.gate", "rung.lifecycle._state"} <= set(_MODULES)
