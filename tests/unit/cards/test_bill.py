"""Licences in a bill of materials: expressions where they are such, names elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from rung.cards._bill import _licences


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("", {}),
        ("MIT", {"licenses": [{"expression": "MIT"}]}),
        ("CC0-1.0", {"licenses": [{"expression": "CC0-1.0"}]}),
        (
            "(MIT OR Apache-2.0) AND BSD-3-Clause",
            {"licenses": [{"expression": "(MIT OR Apache-2.0) AND BSD-3-Clause"}]},
        ),
        ("BSD", {"licenses": [{"license": {"name": "BSD"}}]}),
        ("MIT License", {"licenses": [{"license": {"name": "MIT License"}}]}),
        ("ask the county", {"licenses": [{"license": {"name": "ask the county"}}]}),
    ],
)
def test_licence_is_an_expression_or_a_name(licence: str, told: dict[str, Any]):
    assert _licences(licence) == told
