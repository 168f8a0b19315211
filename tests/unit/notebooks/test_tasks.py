from __future__ import annotations

import pytest
from notebook_cells import percent

from rung.errors import CallError
from rung.notebooks import Source
from rung.notebooks._marks import read_marks
from rung.notebooks._tasks import Tasks, read_tasks

EXAMPLE = "\n# %%\n# example\ninstance = {'x': 1.0}\nprediction = {'y': 2.0}\n"
SPLIT = "\n# %%\n# task: split\nX_test, y_test = rows[:n], rows[n:]\n"
FIT = "\n# %%\n# task: build_model\nmodel = fit(X_test)\n"
BEGIN = '# %%\nfrom lib import fit\n\n# %% tags=["parameters"]\nn = 3\npath = "rows.csv"\n'
LOAD = "\n# %%\n# task: load\nrows = open('rows.csv').read().split()\n"


def read(text: str) -> Tasks:
    notebook = Source.parse(percent(text), name="explore.ipynb")
    return read_tasks(read_marks(notebook), file_of=lambda path: f"data/{path}" if path == "rows.csv" else None)


def functions(text: str) -> dict[str, str]:
    return {task.name: task.function for task in read(text).tasks}


def test_task_takes_what_other_tasks_make():
    found = functions(BEGIN + LOAD + SPLIT + FIT + EXAMPLE)
    assert found["split"] == (
        "def split(load: Any, hyperparameters: Hyperparameters) -> Any:\n"
        '    """Do what cell 4 of the notebook does."""\n'
        "    n = hyperparameters.n\n"
        "    rows = load\n"
        "    X_test, y_test = rows[:n], rows[n:]\n"
        '    return {"X_test": X_test, "y_test": y_test}\n'
    )
    assert '    X_test = split["X_test"]\n' in found["build_model"]
    assert found["build_model"].endswith("    return model\n")


def test_files_of_the_workspace_are_read_as_data_files():
    assert "open(data_file('data/rows.csv')).read()" in functions(BEGIN + LOAD + SPLIT + FIT + EXAMPLE)["load"]
    assert (
        "open(data_file(path))" in functions(BEGIN + LOAD.replace("'rows.csv'", "path") + SPLIT + FIT + EXAMPLE)["load"]
    )


@pytest.mark.parametrize("call", ["open('rows.csv', 'w')", "open('rows.csv', mode='ab')", "rows.to_csv('rows.csv')"])
def test_files_that_are_written_are_left_alone(call: str):
    found = functions(BEGIN + LOAD + f"\n# %%\n# task: keep\nkept = {call}\nkept\n" + SPLIT + FIT + EXAMPLE)
    assert f"kept = {call}" in found["keep"]


def test_parameter_that_a_task_changes_is_taken_from_it():
    grown = "\n# %%\n# task: more\nn = n + 1\n"
    found = functions(BEGIN + LOAD + grown + SPLIT + FIT + EXAMPLE)
    assert "    n = hyperparameters.n\n    n = n + 1\n    return n\n" in found["more"]
    assert found["split"].startswith("def split(load: Any, more: Any) -> Any:")
    assert "    n = more\n" in found["split"]


def test_held_out_rows_are_read_from_the_task_that_makes_them_last():
    again = "\n# %%\n# task: cut\nX_test = X_test[:1]\n"
    found = read(BEGIN + LOAD + SPLIT + again + FIT + EXAMPLE)
    assert found.held_out == {"X_test": ("cut", "cut"), "y_test": ("split", 'split["y_test"]')}


def test_what_a_task_changes_is_a_copy():
    changed = "\n# %%\n# task: clean\nrows[0] = 'a'\n"
    found = functions(BEGIN + LOAD + changed + SPLIT + FIT + EXAMPLE)
    assert "    rows = copy.deepcopy(load)\n    rows[0] = 'a'\n    return rows\n" in found["clean"]
    assert "    rows = clean\n" in found["split"]


def test_functions_and_constants_of_unmarked_cells_come_along():
    shared = (
        "\n# %%\nimport math\nSIZE = 4\nUNUSED = 5\n\n\n@cached\ndef cut(x):\n    return math.floor(x) + SIZE\n"
        "\n\ndef cached(f):\n    return f\n"
    )
    found = read(BEGIN + shared + LOAD + SPLIT.replace("rows[:n]", "cut(n)") + FIT + EXAMPLE)
    assert [one.partition("\n")[0] for one in found.shared] == ["SIZE = 4", "@cached", "def cached(f):"]
    assert found.shared_names == ("cut",)
    assert found.shared_imports == ("import math",)
    assert found.imports == ("from lib import fit",)


def test_plots_and_magics_between_tasks_are_left_alone():
    looks = "\n# %%\n%matplotlib inline\nfigure = draw(rows)\n!ls\n"
    assert functions(BEGIN + LOAD + looks + SPLIT + FIT + EXAMPLE).keys() == {"load", "split", "build_model"}


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (LOAD.replace("# task: load\n", "") + SPLIT + FIT, "cell 4 uses rows as cell 3 leaves it, which is no task"),
        (LOAD + "\n# %%\nrows += [1]\n" + SPLIT + FIT, "cell 5 uses rows as cell 4 leaves it, which is no task"),
        (SPLIT + LOAD + FIT, "cell 3 uses rows, which only cell 4 makes, further down"),
        (LOAD + SPLIT + FIT.replace("X_test", "unknown"), "cell 5 uses unknown, which no cell defines"),
        (LOAD + SPLIT + FIT.replace("fit(X_test)", "display(X_test)"), "cell 5 uses display, which is IPython's"),
        (LOAD + "\n# %%\ndef g(x):\n    return n\n" + SPLIT.replace("rows[:n]", "g(n)") + FIT, "cell 4: g uses n"),
        (LOAD + SPLIT.replace("y_test", "y") + FIT, "no task makes y_test"),
        (LOAD + "\n# %%\n# task: fit\nz = 1\nz\n" + SPLIT + FIT, "cell 4: fit is a name of the notebook already"),
        (LOAD + SPLIT + FIT + "score = 1\n\n# %%\n# task: after\nscore + 1\n", "build_model makes model and score"),
        (LOAD + SPLIT + FIT.replace("model =", "a, b ="), "it is not clear what the task build_model returns"),
        (LOAD.replace("split()", "split(inplace=True)") + SPLIT + FIT, "cell 3 says inplace=True"),
        (LOAD + "\n# %%\n# task: clean\n%time rows = 1\n" + SPLIT + FIT, "cell 4 has %time, which is IPython's"),
        (LOAD + "\n# %%\nrows = (\n" + SPLIT + FIT, "cell 4 is not Python"),
        (LOAD + "\n# %%\n# task: clean\nfrom os import *\n" + SPLIT + FIT, "cell 4 imports everything of os"),
    ],
)
def test_what_would_need_a_guess_is_refused_with_the_cell(text: str, because: str):
    with pytest.raises(CallError, match=because):
        read(BEGIN + text + EXAMPLE)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("# %%\n1 + 1", "no cell is marked as a task"),
        (LOAD, r"no task is build_model; there are load \(cell 1\)"),
        (FIT, "there is no example"),
        (FIT + EXAMPLE + EXAMPLE, "cells 2, 3 are examples"),
        (FIT + "\n# %%\n# example\ninstance = {'x': size}", "cell 2: the example is not spelled out"),
        (FIT + "\n# %%\n# example\ninstance = 1", "cell 2: instance is no dict of fields"),
        (FIT + "\n# %%\n# example\ninstance = {'a b': 1}", "'a b' cannot name a field"),
        (FIT + "\n# %%\n# example\ninstance = {'a': None}", "a of instance is None, from which no type follows"),
        (FIT + EXAMPLE.replace("2.0", "2.0, 'z': 1"), "the prediction has 2 fields"),
        (FIT + FIT + EXAMPLE, "cell 2 is a second task build_model"),
        (FIT + "\n# %%\n# task: a b\n" + EXAMPLE, "cell 2: 'a b' cannot name a task"),
        (FIT + '\n# %% tags=["parameters"]\nn = size\n' + EXAMPLE, "cell 2: the parameter n is no number"),
        (FIT + '\n# %% tags=["parameters"]\nn = (\n' + EXAMPLE, "cell 2 is not Python"),
    ],
)
def test_mark_that_is_wrong_is_refused(text: str, because: str):
    with pytest.raises(CallError, match=because):
        read_marks(Source.parse(percent(text), name="explore.ipynb"))


def test_marks_may_be_tags():
    example = '# %% tags=["example"]\ninstance = {"x": [1, 2]}\nprediction = {"y": "a"}'
    text = f'# %% tags=["task: build_model"]\nmodel = 1\n{example}'
    marked = read_marks(Source.parse(percent(text), name="explore.ipynb"))
    assert marked.tasks == {1: "build_model"}
    assert marked.example.instance == {"x": [1, 2]}
