from __future__ import annotations

import pytest
from notebook_cells import source

from rung.errors import CallError, NotFoundError
from rung.notebooks import extract, insert

CELLS = (
    "# parameters\nn = 3",
    "%matplotlib inline\nimport polars as pl\nfrom math import sqrt\n\ndef helper(x):\n    return x",
    "rows = pl.DataFrame({'a': [1, 2, 3]}).head(n)",
    "# of all\ntext = '''a\n  b'''\ntotal = sum(sqrt(x) for x in rows['a'])",
    "print(total)",
)
MAIN = '''"""The training."""

from rung.training import Experiment


def load() -> int:
    return 1


experiment = Experiment(load, hyperparameters=Hyperparameters)
'''


def test_names_of_other_cells_become_parameters():
    extracted = extract(source(*CELLS), "4", task="total")
    assert extracted.inputs == ("rows",)
    assert extracted.imports == ("from math import sqrt",)
    assert extracted.function == (
        "def total(rows: Any) -> Any:\n    # of all\n    text = '''a\n  b'''\n"
        "    total = sum(sqrt(x) for x in rows['a'])\n    return total\n"
    )


def test_parameters_of_the_notebook_are_read_from_the_hyperparameters():
    extracted = extract(source(*CELLS), "c3", task="rows")
    assert extracted.hyperparameters == ("n",)
    assert extracted.function.startswith(
        "def rows(hyperparameters: Hyperparameters) -> Any:\n    n = hyperparameters.n\n"
    )


def test_last_value_is_returned_where_no_later_cell_uses_anything():
    assert "é = 1; return len([1])\n" in extract(source("é = 1; len([1])"), "1", task="size").function


def test_extracted_task_runs_as_the_cell_did():
    found = extract(source(*CELLS, "x = 2\ny = [x * i for i in range(3)]\nsum(y)"), "6", task="sum_of_three")
    space: dict = {}
    exec("from typing import Any\n" + found.function, space)  # noqa: S102  what it makes is what is tested
    assert space["sum_of_three"]() == 6


@pytest.mark.parametrize(
    ("cell", "inputs"),
    [
        ("for row in [1]:\n    total = total + row\ntotal", ("total",)),
        ("if 2 > 1:\n    total = 0\nbest = total", ("total",)),
        ("try:\n    total = 1\nexcept ValueError:\n    raise\nbest = total", ()),
        ("for row in [1]:\n    last = row\nbest = last", ()),
        ("with open('x') as total:\n    best = total", ()),
        ("match 1:\n    case total:\n        best = total\nbest", ()),
        ("while 1 > 2:\n    best = 1\nelse:\n    best = total", ("total",)),
    ],
)
def test_what_a_cell_may_read_before_it_assigns_it_is_taken(cell: str, inputs: tuple[str, ...]):
    assert extract(source(*CELLS, cell, "print(best)"), "6", task="found").inputs == inputs


def test_result_that_a_cell_may_leave_as_it_was_is_taken():
    found = extract(source(*CELLS, "if n > 2:\n    total = 0", "print(total)"), "6", task="found")
    assert found.function.startswith("def found(total: Any, hyperparameters: Hyperparameters) -> Any:\n")


@pytest.mark.parametrize(
    ("cell", "because"),
    [
        ("helper(rows)", "calls helper, which cell 2 defines"),
        ("rows['x'] = 1\nrows", "changes rows, which another cell made"),
        ("rows += 1\nrows", "changes rows"),
        ("for i in rows:\n    rows.append(i)\n    del rows\n1", "changes rows"),
        ("!ls", "has !ls, which is IPython's"),
        ("await rows", "awaits at its top level"),
        ("from os import *\n1", "imports everything of os"),
        ("unknown + 1", "uses unknown, which no cell defines"),
        ("for row in rows:\n    count += 1\ncount", "uses count, which no cell defines"),
        ("a = 1", "is used later, and it ends with no value"),
        ("1 +", "is not Python"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_the_reason(cell: str, because: str):
    with pytest.raises(CallError, match=because):
        extract(source(*CELLS, cell), "6", task="found")


def test_two_results_that_are_used_later_are_refused():
    with pytest.raises(CallError, match="makes a and b, and later cells use each"):
        extract(source("a = 1\nb = 2", "a + b"), "1", task="both")


def test_cell_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(NotFoundError, match=r"there are 1 \(c1\)"):
        extract(source("1"), "7", task="found")


def test_task_is_put_before_the_experiment_that_takes_it():
    text = insert(MAIN, extract(source(*CELLS), "4", task="total"))
    assert "experiment = Experiment(load, total, hyperparameters=Hyperparameters)" in text
    assert text.index("from math import sqrt\n") < text.index("def load") < text.index("def total(rows: Any)")
    compile(text, "main.py", "exec")


@pytest.mark.parametrize(
    ("module", "because"),
    [(MAIN.replace("load", "total"), "has total already"), ("x = 1", "has no experiment")],
    ids=["name taken", "no experiment"],
)
def test_module_that_cannot_take_the_task_is_left_alone(module: str, because: str):
    with pytest.raises(CallError, match=because):
        insert(module, extract(source(*CELLS), "4", task="total"))
