from __future__ import annotations

from rung import schema


def test_exports_are_sorted_and_there():
    assert schema.__all__ == sorted(schema.__all__)
    assert all(hasattr(schema, name) for name in schema.__all__)
