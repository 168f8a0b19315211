"""Defaults in an author's source, changed."""

from __future__ import annotations

import pytest

from rung.errors import ConflictError
from rung.tuning._proposal import patch, with_defaults

SOURCE = '''"""Änderungen stehen hier."""
class Other(BaseModel):
    rate: float = 1.0

class Hyperparameters(BaseModel):
    rate: Annotated[float, Field(gt=0)] = 0.1  # größer ist schneller
    depth: int = Field(3, ge=1)
    kind: Literal["a", "b"] = Field(default="a")
    size: int = (
        BASE * 2
    )
    made: list[int] = Field(default_factory=list)
'''


def test_only_the_defaults_change() -> None:
    changed = with_defaults(SOURCE, "Hyperparameters", {"rate": 0.05, "depth": 5, "kind": "b", "size": 7})
    assert changed == (
        SOURCE.replace("= 0.1  # größer", "= 0.05  # größer")
        .replace("Field(3, ge=1)", "Field(5, ge=1)")
        .replace('default="a"', "default='b'")
        .replace("BASE * 2", "7")
    )


@pytest.mark.parametrize("name", ["made", "missing"])
def test_a_default_that_is_not_written_is_refused(name: str) -> None:
    with pytest.raises(ConflictError, match=name):
        with_defaults(SOURCE, "Hyperparameters", {name: 1})


def test_a_class_that_is_elsewhere_is_refused() -> None:
    with pytest.raises(ConflictError, match="no class Gone"):
        with_defaults(SOURCE, "Gone", {"rate": 1})


def test_a_patch_names_its_file() -> None:
    found = patch("a\nb\n", "a\nc\n", "experiments/tiny/train/main.py").splitlines()
    assert found[:2] == ["--- a/experiments/tiny/train/main.py", "+++ b/experiments/tiny/train/main.py"]
    assert found[-2:] == ["-b", "+c"]


def test_a_missing_last_line_end_is_told() -> None:
    assert patch("a", "b", "x").count("\\ No newline at end of file") == 2
