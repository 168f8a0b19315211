from __future__ import annotations

import pytest

from rung.compute.parcels import moved

PLACES = {"/w/.rung": "/n", "/w/.rung/environments/k1": "/n/environments/k2", "/tmp/rung-0-ab": "/n/sockets"}  # noqa: S108


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("/w/.rung", "/n"),
        ("/w/.rung/lake/log", "/n/lake/log"),
        ("/w/.rung/environments/k1/bin/python", "/n/environments/k2/bin/python"),
        ("/w/.rung/environments/k10/bin/python", "/n/environments/k10/bin/python"),
        ("/usr/lib:/w/.rung/lib", "/usr/lib:/n/lib"),
        ("unix:/tmp/rung-0-ab/a.sock", "unix:/n/sockets/a.sock"),
        ('{"state": "/w/.rung"}', '{"state": "/n"}'),
        ("/other/w/.rung", "/other/w/.rung"),
        ("/w/.rung-2/lib", "/w/.rung-2/lib"),
        ("housing", "housing"),
    ],
)
def test_paths_are_moved_and_nothing_else(text: str, there: str):
    assert moved(text, PLACES) == there
