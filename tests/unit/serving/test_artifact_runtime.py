"""`Artifact(..., runtime="onnx")`: what may be asked for."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, get_args

import pytest
from fastapi import Depends

from rung.serving import Artifact


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        pytest.param("fit", {"runtime": "tensorrt"}, "write 'native' or 'onnx'", id="runtime"),
        pytest.param("line.v1.m1.fit", {"runtime": "onnx"}, "leave runtime= away", id="another revision's"),
        pytest.param("fit", {"runtime": "onnx", "max_difference": inf}, "a finite number", id="infinite"),
        pytest.param("fit", {"runtime": "onnx", "max_flips": 1.5}, "a share from 0 to 1", id="share"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, arguments: dict[str, Any], told: str):
    with pytest.raises(ValueError, match=told):
        Artifact(name, **arguments)


def test_runtime_and_tolerance_tell_artifacts_apart():
    one, other = Artifact("fit", runtime="onnx"), Artifact("fit", runtime="onnx", max_flips=0.5)
    assert one == Artifact("fit", runtime="onnx")
    assert len({one, other, Artifact("fit")}) == 3
    marked = Annotated[Any, Depends(one)], Annotated[Any, Depends(other)]
    assert [get_args(mark)[1].dependency.tolerance.max_flips for mark in marked] == [0.0, 0.5]


def test_narrower_tolerance_counts():
    wide = Artifact("fit", runtime="onnx", max_difference=1.0, max_flips=0.0)
    found = wide.narrowed(Artifact("fit", runtime="onnx", max_difference=0.1, max_flips=0.5))
    assert (found.tolerance.max_difference, found.tolerance.max_flips) == (0.1, 0.0)
