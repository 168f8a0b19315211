"""Tasks of a notebook do what its cells do, run from top to bottom."""

from __future__ import annotations

import copy
import inspect
from textwrap import indent
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from notebook_cells import percent

from rung.notebooks import Source
from rung.notebooks._marks import read_marks
from rung.notebooks._tasks import read_tasks

NAMES = st.sampled_from("abc")
NUMBERS = st.integers(0, 9)
PLAIN = st.one_of(
    st.builds("{} = {} + {}".format, NAMES, NAMES, NUMBERS),
    st.builds("{} += {}".format, NAMES, NAMES),
    st.builds("{}, {} = {}, {}".format, NAMES, NAMES, NAMES, NAMES),
    st.builds("box = [{}, *box[:2]]".format, NAMES),
    st.builds("box[0] = {}".format, NAMES),
    st.builds("for {} in box: {} = {} - {}".format, NAMES, NAMES, NAMES, NUMBERS),
    st.builds("{} = [{} * n for n in box][0]".format, NAMES, NAMES),
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Statements that run others on some ways only, or again and again."""
    body = st.lists(inner, min_size=1, max_size=2).map(lambda lines: indent("\n".join(lines), "    "))
    return st.one_of(
        st.builds("if {} > {}:\n{}\nelse:\n{}".format, NAMES, NUMBERS, body, body),
        st.builds("for {} in box:\n{}".format, NAMES, body),
        st.builds("try:\n{}\n    box[{}]\nexcept IndexError:\n{}".format, body, NUMBERS, body),
        st.builds("while len(box) < 3:\n{}\n    box = [*box, {}]".format, body, NAMES),
        st.builds(
            "match {}:\n    case 1:\n{}\n    case {}:\n{}".format, NAMES, body.map(_deeper), NAMES, body.map(_deeper)
        ),
    )


def _deeper(text: str) -> str:
    return indent(text, "    ")


STATEMENTS = st.recursive(PLAIN, _nested, max_leaves=4)
CELLS = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3).map("\n".join), max_size=5)
FIRST = "a, b, c, box = 1, 2, 3, [4]"
SPLIT = "X_test, y_test = [a, box], [b]"
FIT = "model = [a, b, c, box, X_test, y_test]"
EXAMPLE = '# %%\n# example\ninstance = {"x": 1}\nprediction = {"y": 1}\n'


@given(CELLS)
def test_tasks_do_what_cells_do(cells: list[str]):
    named = {"begin": FIRST, **{f"t{number}": f"{cell}\n0" for number, cell in enumerate(cells)}, "split": SPLIT}
    text = "".join(f"# %%\n# task: {name}\n{cell}\n" for name, cell in {**named, "build_model": FIT}.items())
    tasks = read_tasks(read_marks(Source.parse(percent(text + EXAMPLE), name="n")), file_of={}.get)
    made: dict[str, Any] = {}
    for task in tasks.tasks:
        space: dict[str, Any] = {"Any": Any, "copy": copy}
        exec(task.function, space)  # noqa: S102  what it makes is what is tested
        function = space[task.name]
        made[task.name] = function(**{name: made[name] for name in inspect.signature(function).parameters})
    told: dict[str, Any] = {}
    exec("\n".join([FIRST, *cells, SPLIT, FIT]), told)  # noqa: S102  as above
    assert made["build_model"] == told["model"]
