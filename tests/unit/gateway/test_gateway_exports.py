from __future__ import annotations

import rung.gateway


def test_exported_names_are_sorted_and_there():
    assert rung.gateway.__all__ == sorted(rung.gateway.__all__)
    assert all(hasattr(rung.gateway, name) for name in rung.gateway.__all__)
