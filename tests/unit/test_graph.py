from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from rung import graph
from rung.errors import GraphError


def load_data(hyperparameters: Any): ...


def split(load_data: Any, hyperparameters: Any): ...


def build_model(split: Any): ...


def evaluate(split: Any, build_model: Any) -> float: ...


def functions(*sources: str) -> list[Any]:
    """Make functions from their signatures, as `train(split, depth=1)`."""
    space: dict[str, Any] = {}
    for source in sources:
        exec(f"def {source}: ...", space)  # noqa: S102  the sources are this file's
    return [space[source.partition("(")[0]] for source in sources]


def test_each_task_follows_its_inputs():
    made = graph.build([evaluate, build_model, split, load_data])
    assert list(made.tasks) == ["load_data", "split", "build_model", "evaluate"]


def test_task_tells_what_it_takes():
    task = graph.build([load_data, split]).tasks["split"]
    assert (task.inputs, task.takes_hyperparameters, task.function) == (("load_data",), True, split)


def test_task_tells_what_it_returns():
    tasks = graph.build([load_data, split, build_model, evaluate]).tasks
    assert (tasks["evaluate"].returns, tasks["split"].returns) == ("float", None)


def test_no_tasks_make_no_graph_but_no_error():
    assert list(graph.build([]).tasks) == []


def test_upstream_is_all_that_is_needed():
    made = graph.build([load_data, split, build_model, evaluate])
    assert made.upstream("evaluate") == {"load_data", "split", "build_model"}
    assert made.upstream("load_data") == frozenset()


BAD = {
    "circle of two": (functions("a(b)", "b(a)"), "the tasks go in a circle: ", "take one of these parameters away"),
    "circle of one": (functions("a(a)"), "circle: a -> a", "take one"),
    "circle of three": (functions("a(c)", "b(a)", "c(b)"), "circle: a -> c -> b -> a", "take one"),
    "circle through a default": (functions("a(b=1)", "b(a)"), "circle", "take one"),
    "missing name": (functions("split(load_dat)", "load_data()"), "takes 'load_dat'", "did you mean 'load_data'?"),
    "missing name, unlike all": (functions("split(q)", "load()"), "no task has that name", "hyperparameters, load"),
    "nearest is not the task itself": (functions("trains(train)"), "takes 'train'", "one of hyperparameters"),
    "hyperparameters misspelt": (functions("a(hyperparameter)"), "takes 'hyper", "did you mean 'hyperparameters'?"),
    "one name twice": ([*functions("a()"), *functions("a()")], "two tasks are named 'a'", "rename one"),
    "task named hyperparameters": (functions("hyperparameters()"), "cannot be named 'hyperparameters'", "its own"),
    "lambda": ([lambda: 1], "cannot be named '<lambda>'", "a name of its own"),
    "any arguments": (functions("a(*args)"), "has the parameter *args, which", "name each input"),
    "any keywords": (functions("a(**kwargs)"), "has the parameter **kwargs, which", "name each input"),
    "positional only": (functions("a(b, /)", "b()"), "has the parameter b, which", "name each input"),
    "partial": ([functools.partial(print)], "is not a task", "give functions"),
    "value": ([3], "3 is not a task", "give functions"),
    "result of a call": ([None], "None is not a task", "give functions"),
    "built in": ([max], "is not a task", "give functions"),
}


@pytest.mark.parametrize(("tasks", "told", "hint"), BAD.values(), ids=BAD.keys())
def test_bad_tasks_are_refused(tasks: list[Any], told: str, hint: str):
    with pytest.raises(GraphError) as caught:
        graph.build(tasks)
    assert told in caught.value.message
    assert hint in caught.value.hint


def test_parameter_with_default_needs_no_task():
    made = graph.build(functions("train(depth=3)"))
    assert made.tasks["train"].inputs == ()


def test_parameter_with_default_takes_a_task():
    made = graph.build(functions("train(depth=3)", "depth()"))
    assert made.tasks["train"].inputs == ("depth",)


def test_keyword_only_parameters_name_tasks():
    assert graph.build(functions("train(*, data)", "data()")).tasks["train"].inputs == ("data",)


def test_decorated_task_keeps_its_signature():
    @functools.wraps(build_model)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert graph.build([load_data, split, wrapper]).tasks["build_model"].inputs == ("split",)


def test_replaced_task_keeps_its_name():
    (sample_data,) = functions("sample_data()")
    made = graph.replace(graph.build([load_data, split]), {"load_data": sample_data})
    assert list(made.tasks) == ["load_data", "split"]
    assert made.tasks["load_data"].function is sample_data
    assert not made.tasks["load_data"].takes_hyperparameters


def test_replaced_task_may_take_others():
    (other,) = functions("other(load_data)")
    made = graph.replace(graph.build([load_data, split, build_model]), {"build_model": other})
    assert made.tasks["build_model"].inputs == ("load_data",)
    assert made.upstream("build_model") == {"load_data"}


def test_nothing_replaced_is_the_same():
    made = graph.build([load_data, split])
    assert graph.replace(made, {}) == made


BAD_OVERRIDES = {
    "unknown task": ({"load_dat": load_data}, "no task 'load_dat' to override", "did you mean 'load_data'?"),
    "unknown task, unlike all": ({"q": load_data}, "no task 'q' to override", "one of load_data, split"),
    "takes an unknown task": ({"split": functions("s(rows)")[0]}, "task 'split' takes 'rows'", "one of"),
    "makes a circle": ({"load_data": functions("s(split)")[0]}, "the tasks go in a circle", "take one"),
    "any arguments": ({"split": functions("s(*args)")[0]}, "task 'split' has the parameter *args", "name each"),
    "value": ({"split": 3}, "3 is not a task", "give functions"),
    "built in": ({"split": max}, "is not a task", "give functions"),
}


@pytest.mark.parametrize(("overrides", "told", "hint"), BAD_OVERRIDES.values(), ids=BAD_OVERRIDES.keys())
def test_bad_overrides_are_refused(overrides: dict[str, Any], told: str, hint: str):
    with pytest.raises(GraphError) as caught:
        graph.replace(graph.build([load_data, split]), overrides)
    assert told in caught.value.message
    assert hint in caught.value.hint


PARTS: dict[str, Any] = {
    "closure": "c1",
    "upstream": {"load_data": "u1"},
    "hyperparameters": {"depth": 3, "rate": 0.1},
    "environment": "e1",
}

OTHER_PARTS = {
    "code": {"closure": "c2"},
    "input": {"upstream": {"load_data": "u2"}},
    "value of a hyperparameter": {"hyperparameters": {"depth": 4, "rate": 0.1}},
    "type of a hyperparameter": {"hyperparameters": {"depth": "3", "rate": 0.1}},
    "whole to fraction": {"hyperparameters": {"depth": 3.0, "rate": 0.1}},
    "truth to number": {"hyperparameters": {"depth": True, "rate": 0.1}},
    "one hyperparameter more": {"hyperparameters": {"depth": 3, "rate": 0.1, "seed": None}},
    "one hyperparameter fewer": {"hyperparameters": {"depth": 3}},
    "nested hyperparameter": {"hyperparameters": {"depth": [3], "rate": 0.1}},
    "environment": {"environment": "e2"},
    "parts swapped": {"closure": "e1", "environment": "c1"},
}

TASK = graph.build([load_data, split]).tasks["split"]
KEY = graph.fingerprint(TASK, **PARTS)


@pytest.mark.parametrize("change", OTHER_PARTS.values(), ids=OTHER_PARTS.keys())
def test_each_part_changes_the_fingerprint(change: dict[str, Any]):
    assert graph.fingerprint(TASK, **PARTS | change) != KEY


def test_name_changes_the_fingerprint():
    (other,) = functions("parts(load_data, hyperparameters)")
    task = graph.build([load_data, other]).tasks["parts"]
    assert graph.fingerprint(task, **PARTS) != KEY


SAME_PARTS = {
    "order of hyperparameters": {"hyperparameters": {"rate": 0.1, "depth": 3}},
    "keys of tasks that it does not take": {"upstream": {"load_data": "u1", "evaluate": "u3"}},
}


@pytest.mark.parametrize("change", SAME_PARTS.values(), ids=SAME_PARTS.keys())
def test_nothing_else_changes_the_fingerprint(change: dict[str, Any]):
    assert graph.fingerprint(TASK, **PARTS | change) == KEY


def test_order_of_parameters_changes_nothing():
    keys = set()
    for source in ("train(a, b)", "train(b, a)"):
        task = graph.build(functions("a()", "b()", source)).tasks["train"]
        keys.add(graph.fingerprint(task, **PARTS | {"upstream": {"a": "1", "b": "2"}}))
    assert len(keys) == 1


def test_other_function_of_the_name_changes_nothing():
    other = graph.replace(graph.build([load_data, split]), {"split": functions("s(load_data, hyperparameters)")[0]})
    assert graph.fingerprint(other.tasks["split"], **PARTS) == KEY


def test_fingerprint_stays_for_ever():
    assert KEY == "494ee13cd04799771c3e8966433a6c10ee7c2a0406ead9d98c35539c939c21ae"


def test_fingerprint_takes_json_data_only():
    with pytest.raises(TypeError):
        graph.fingerprint(TASK, **PARTS | {"hyperparameters": {"names": {"a", "b"}}})


def test_fingerprint_survives_json():
    assert graph.fingerprint(TASK, **json.loads(json.dumps(PARTS))) == KEY


def test_exports_are_there():
    assert all(hasattr(graph, name) for name in graph.__all__)
