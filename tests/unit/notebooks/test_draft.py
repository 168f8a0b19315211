from __future__ import annotations

import tomllib

import pytest
from notebook_cells import percent

from rung.errors import CallError
from rung.notebooks import Source
from rung.notebooks._draft import draft
from rung.notebooks._marks import read_marks
from rung.notebooks._tasks import read_tasks

CELLS = """# %% [markdown]
# # The "best" $\\alpha$
# Prose.
# %%
# task: build_model
from lib.trees import Tree
import polars as pl
X_test, y_test, model = pl.read(), 1, Tree()
# %%
# task: split
X_test, y_test = model_rows()
# %%
def model_rows():
    return 1, 2
# %%
# example
instance = {"x": 1, "names": ["a"], "share": 0.5}
prediction = {"label": "yes"}
"""


def words(cells: str = CELLS, known: tuple[str, ...] = ("lib", "polars", "numpy")) -> dict[str, str]:
    marked = read_marks(Source.parse(percent(cells), name="explore.ipynb"))
    tasks = read_tasks(marked, file_of={}.get)
    return draft(
        marked, tasks, service="shop", notebook="explore", pin=lambda one: [f"{one}==1"] if one in known else []
    )


def test_what_tasks_import_is_pinned_with_what_rows_are():
    assert words()["pins"] == "lib==1\nnumpy==1\npolars==1"


def test_module_that_is_not_installed_is_refused():
    with pytest.raises(CallError, match="imports lib, which is not installed here"):
        words(known=("polars", "numpy"))


def test_fields_have_the_kinds_of_the_example():
    assert words()["instance"].split("\n") == [
        "    x: int",
        "    names: list[str]",
        "    share: Annotated[float, Field(allow_inf_nan=False)]",
    ]


def test_answers_that_are_no_numbers_are_counted_right_or_wrong():
    assert "def accuracy" in words()["data_test"]
    assert "def mean_absolute_error" in words(CELLS.replace('"yes"', "2.5"))["data_test"]


def test_title_is_one_in_toml():
    assert tomllib.loads(f'title = "{words()["title"]}"') == {"title": 'The "best" $\\alpha$'}


def test_rows_are_those_of_the_library_that_is_imported():
    assert words()["to_fields"] == "rows.to_dicts()"
    assert "np.asarray" in words(CELLS.replace("import polars as pl\n", "").replace("pl.read()", "1"))["to_fields"]


def test_little_data_stand_in_for_the_task_that_loads_them():
    loading = "# %%\n# task: load_data\nrows = pl.read()\n# %%\n# task: build_model\nprint(rows)\n"
    cells = CELLS.replace("# %%\n# task: build_model\n", loading)
    assert words(cells)["sample"].strip().splitlines() == [
        "def sample_data() -> Any:",
        '    """Stand in for `load_data` when the training itself is tried out: 1,000 rows of it at most."""',
        "    return sampled(load_data())",
    ]
    assert words(cells.replace("model_rows", "sample_data"))["sample"] == ""
    assert words()["sample"] == ""


def test_little_data_are_loaded_from_what_the_task_takes():
    cells = """# %% tags=["parameters"]
year = 1996
# %%
# task: places
places = ["a"]
# %%
# task: load_data
X_test, y_test = [places, year], [1]
# %%
# task: build_model
model = object()
# %%
# example
instance = {"x": 1}
prediction = {"y": 1}
"""
    lines = words(cells)["sample"].strip().splitlines()
    assert lines[0] == "def sample_data(places: Any, hyperparameters: Hyperparameters) -> Any:"
    assert lines[-1] == "    return sampled(load_data(places, hyperparameters))"
