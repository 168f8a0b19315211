from __future__ import annotations

import json

import pytest

from rung.cli._log_lines import readable

LINE = {
    "time": "2026-11-21T22:00:01.250+00:00",
    "level": "error",
    "event": "prediction_failed: no",
    "logger": "rung.serving",
    "revision": "housing.v1.m1",
    "request_id": "7f3a",
    "exception": "Traceback:\nValueError: no",
}


def test_line_of_a_server_is_told():
    told = readable(json.dumps(LINE))
    first, *raised = told.split("\n")
    assert first.startswith("22:00:01.250")
    assert first.endswith("prediction_failed: no  request_id=7f3a")
    assert raised == ["Traceback:", "ValueError: no"]


@pytest.mark.parametrize("line", ["", "plain words", "{", "{broken", '{"a": 1}', "[1, 2]", "{}", '{"time": 3}'])
def test_other_lines_are_left_as_they_are(line: str):
    assert readable(line) == line
