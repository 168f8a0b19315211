"""What `rung check` says of the artifacts that handlers take, on a service whose annotations change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import tiny_service

if TYPE_CHECKING:
    from conftest import Place

TAKEN = 'model=Depends(Artifact("build_model"))'


@pytest.fixture
def tiny(place: Place) -> Place:
    tiny_service.write(place.root)
    return place


def artifacts_of(place: Place) -> tuple[bool, str]:
    checked = place.python("-m", "rung.cli", "check", "tiny", "--json")
    found = next(one for one in json.loads(checked.stdout) if one["check"] == "artifacts")
    return found["passed"], found["because"]


@pytest.mark.parametrize("annotated", ["model: dict = Depends", "model: object = Depends"])
def test_a_type_that_the_task_gives_passes(tiny: Place, annotated: str):
    tiny_service.change(tiny.root, "model=Depends", annotated, file="serve/app.py")
    assert artifacts_of(tiny) == (True, "training makes what serving takes: build_model")


def test_a_type_that_the_task_does_not_give_is_told_with_both(tiny: Place):
    tiny_service.change(tiny.root, "model=Depends", "model: list[float] = Depends", file="serve/app.py")
    passed, because = artifacts_of(tiny)
    assert not passed
    assert because == (
        "serve/app.py and train/main.py differ: predict takes model: list[float], and the task build_model gives "
        "dict[str, float]. Annotate both alike"
    )


def test_an_annotation_that_holds_the_dependency_is_read_and_one_of_another_revision_is_not(tiny: Place):
    other = 'model: list = Depends(Artifact("tiny.v1.m0.build_model"))'
    tiny_service.change(tiny.root, TAKEN, other, file="serve/app.py")
    assert artifacts_of(tiny)[0]
    tiny_service.change(tiny.root, "import math\n", "import math\nfrom typing import Annotated\n", file="serve/app.py")
    own = 'model: Annotated[list, Depends(Artifact("build_model"))]'
    tiny_service.change(tiny.root, other, own, file="serve/app.py")
    passed, because = artifacts_of(tiny)
    assert not passed
    assert "predict takes model: list, and" in because


def test_what_an_ordinary_dependency_takes_is_compared(tiny: Place):
    needing = f"""
        def slope(given: tuple = Depends(Artifact("build_model"))) -> float:
            return given["slope"]


        def predict(request: Request[Instance, Parameters], slope: float = Depends(slope), {TAKEN})"""
    tiny_service.change(
        tiny.root,
        f"\ndef predict(request: Request[Instance, Parameters], {TAKEN})",
        "\n".join(line.removeprefix("        ") for line in needing.splitlines()),
        file="serve/app.py",
    )
    passed, because = artifacts_of(tiny)
    assert not passed
    assert "slope takes given: tuple, and the task build_model gives dict[str, float]" in because


def test_an_annotation_that_cannot_be_read_fits_all(tiny: Place):
    tiny_service.change(tiny.root, "model=Depends", "model: list = Depends", file="serve/app.py")
    tiny_service.change(tiny.root, ") -> dict[str, float]:", ') -> "Known.only.to.type.checkers":')
    assert artifacts_of(tiny)[0]
