"""`evaluate_models`: a service's own tests against its own application, with this run's models in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.serving.conftest import lay_line

from rung import artifacts
from rung.serving import read_bundle

if TYPE_CHECKING:
    from conftest import Place
    from rung.training import RunRecord


def states(record: RunRecord) -> dict[str, str]:
    return {task.name: task.state for task in record.tasks}


@pytest.fixture
def line(place: Place) -> Place:
    lay_line(place)
    return place


def test_metrics_and_held_out_rows_are_kept(line: Place):
    record = line.train("line")
    assert record.metrics == {"error": 54.0}
    assert record.failed_tests == []
    assert set(record.artifacts) == {"fit", "evaluate", "held_out", "evaluated", "reference"}
    assert (line.folder(record) / "held_out.artifact").is_file()


def test_cached_evaluation_tells_the_same(line: Place):
    first, second = line.train("line"), line.train("line")
    assert set(states(second).values()) == {"cached"}
    assert (second.metrics, second.artifacts) == (first.metrics, first.artifacts)
    assert (line.folder(second) / "held_out.artifact").is_file()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param("tests/regression.py", "small.y < large.y", "small.y > large.y", id="regression test"),
        pytest.param("tests/data.py", "abs(p.y - y)", "(p.y - y) ** 2", id="data test"),
        pytest.param("serve/app.py", "slope * instance.x", "slope * instance.x + 1", id="handler"),
        pytest.param("schema/request.py", "ge=0", "ge=-1", id="schema"),
    ],
)
def test_changed_service_is_evaluated_again(line: Place, file: str, old: str, new: str):
    line.train("line")
    line.edit(f"experiments/line/{file}", old, new)
    again = states(line.train("line"))
    assert (again["fit"], again["evaluate"]) == ("cached", "ran")


def test_failed_regression_test_is_named(line: Place):
    line.edit("experiments/line/tests/regression.py", "small.y < large.y", "small.y > large.y")
    record = line.train("line")
    assert record.failed_tests == ["test_larger_is_larger"]
    assert record.status == "succeeded"
    assert "test_larger_is_larger    did not pass" in (line.folder(record) / "log.txt").read_text()


def test_artifact_that_is_not_an_input_is_refused(line: Place):
    line.edit("experiments/line/train/main.py", "def evaluate(fit: float)", "def evaluate()")
    line.edit("experiments/line/train/main.py", "Experiment(fit, evaluate)", "Experiment(evaluate, fit)")
    told = line.fail("line")
    assert "serve/app.py takes the artifact 'fit', which is not made before 'evaluate' runs" in told
    assert "add fit to the parameters of evaluate" in told


@pytest.mark.parametrize(("rows", "truths"), [(0, 0), (20, 19)])
def test_rows_without_truths_are_refused(line: Place, rows: int, truths: int):
    line.edit("experiments/line/train/main.py", "range(20)", f"range({rows})")
    line.edit("experiments/line/train/main.py", "[3.0] * 20", f"[3.0] * {truths}")
    assert f"{rows} held-out instances and {truths} truths" in line.fail("line")


RETURNED = "return evaluate_models(X_test=[Instance(x=number) for number in range(20)], y_test=[3.0] * 20)"


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        ("return 1.5", "float"),
        ("return None", "None"),
        ("return evaluate_models([Instance(x=1)], [3.0]).model_dump()", "dict"),
        (
            "from experiments.line.train.own import TestResults as Own; return Own()",
            "experiments.line.train.own.TestResults",
        ),
    ],
    ids=["a number", "nothing", "what was dumped", "a class of the same name"],
)
def test_something_else_than_results_fails_the_run(line: Place, returned: str, kind: str):
    line.write("experiments/line/train/own.py", "class TestResults: ...\n")
    line.edit("experiments/line/train/main.py", RETURNED, returned)
    told = line.fail("line")
    assert f"task 'evaluate' is annotated -> TestResults and returned {kind}, so nothing judged the models" in told
    assert "return evaluate_models(X_test=..., y_test=...)" in told
    assert {task.name: task.state for task in line.last().tasks} == {"fit": "ran", "evaluate": "failed"}
    assert line.last().status == "failed"


def test_results_made_by_hand_do_not_pass_the_check(line: Place):
    asked = "from experiments.line.train.main import experiment; experiment.check()"
    assert line.python("-c", asked).returncode == 0
    line.edit(
        "experiments/line/train/main.py", RETURNED, "return TestResults(rows=1, data=(), regression=(), example={})"
    )
    refused = line.python("-c", asked)
    assert "evaluate returns TestResults without evaluate_models, so nothing judges the models" in refused.stderr


def test_evaluation_outside_a_task_is_refused(line: Place):
    ended = line.python("-c", "from rung.training import evaluate_models; evaluate_models([1], [1])")
    assert "evaluate_models was called outside a task" in ended.stderr


def test_artifact_of_another_revision_is_taken(line: Place):
    deployed = {"RUNG_REVISION": "line.v1.m1"}
    ended = line.python("-m", "rung.training.deployed", "--service", "line", environment=deployed)
    assert ended.returncode == 0, ended.stderr
    line.edit("experiments/line/train/main.py", "return 3.0", "return 4.0")
    line.edit("experiments/line/serve/app.py", 'slope=Depends(Artifact("fit"))', 'slope=Depends(Artifact("fit")), old=Depends(Artifact("line.v1.m1.fit"))')  # fmt: skip  # noqa: E501
    line.edit("experiments/line/serve/app.py", "y=slope * instance.x", "y=(slope - old) * instance.x")
    assert line.train("line").metrics == {"error": 16.0}


def test_housing_template_trains(place: Place):
    place.housing("homes")
    place.commit()
    first = place.train("homes", settings={"model": "linear"}, overrides={"load_data": "sample_data"})
    assert set(first.metrics) == {"within_10_percent", "mean_absolute_percentage_error", "r2"}
    assert first.failed_tests == []
    assert first.metrics["r2"] > 0.5
    benchmark = place.train("homes", overrides={"load_data": "sample_data"})
    assert benchmark.failed_tests == ["test_bigger_is_dearer"]
    again = place.train("homes", settings={"model": "linear"}, overrides={"load_data": "sample_data"})
    assert set(states(again).values()) == {"cached"}
    assert again.artifacts == first.artifacts


def test_answers_of_the_application_are_kept(line: Place):
    evaluated = kept_answers(line, line.train("line"))
    assert sum(len(exchange["instances"]) for exchange in evaluated["exchanges"]) == 20
    assert evaluated["max_difference"] == 1e-5
    first = evaluated["exchanges"][0]
    assert [one["y"] for one in first["predictions"]] == [3.0 * instance["x"] for instance in first["instances"]]


def test_answers_that_change_are_not_kept(line: Place):
    line.edit("experiments/line/serve/app.py", "slope * instance.x", "slope * instance.x + time.monotonic()")
    line.edit("experiments/line/serve/app.py", "from fastapi", "import time\n\nfrom fastapi")
    evaluated = kept_answers(line, line.train("line"))
    assert (evaluated["exchanges"], evaluated["because"]) == ([], "asked twice, predict answered differently")


def test_answers_are_not_kept_on_request(line: Place):
    line.edit("experiments/line/train/main.py", "[3.0] * 20", "[3.0] * 20, max_difference=None")
    evaluated = kept_answers(line, line.train("line"))
    assert (evaluated["exchanges"], "may change with time" in evaluated["because"]) == ([], True)


def test_endless_difference_is_refused(line: Place):
    line.edit("experiments/line/train/main.py", "[3.0] * 20", '[3.0] * 20, max_difference=float("inf")')
    assert "max_difference is inf" in line.fail("line")


def kept_answers(line: Place, record: RunRecord) -> dict[str, Any]:
    found: dict[str, Any] = artifacts.decode(line.folder(record) / "evaluated.artifact")
    return found


def give_training_rows(line: Place, rows: str, truths: str, *more: str) -> None:
    """Let `line` say what it was trained on; it holds out the numbers from 0 to 19, with the truth 3."""
    given = ", ".join((f"X_train=[Instance(x=x) for x in {rows}]", f"y_train={truths}", *more))
    line.edit("experiments/line/train/main.py", "[3.0] * 20", f"[3.0] * 20, {given}")


def test_training_rows_are_kept_as_hashes(line: Place):
    give_training_rows(line, "range(20, 50)", "[3.0] * 30")
    record = line.train("line")
    assert set(record.artifacts) == {"fit", "evaluate", "held_out", "evaluated", "reference", "training_rows"}
    kept = artifacts.decode(line.folder(record) / "training_rows.artifact")
    assert (kept["rows"], len(kept["instances"]), len(kept["pairs"]), kept["max_leaked"]) == (30, 240, 240, 0.0)


def test_sample_of_what_was_seen_is_kept(line: Place):
    give_training_rows(line, "range(20, 50)", "[3.0] * 30")
    kept = artifacts.decode(line.folder(line.train("line")) / "reference.artifact")
    assert (len(kept["trained"]), len(kept["held_out"]), kept["truths"]) == (30, 20, [3.0] * 20)
    assert (len(kept["predictions"]["predict"]), "y" in kept["predictions"]["predict"][0]) == (20, True)


def test_held_out_row_that_was_trained_on_is_refused(line: Place):
    give_training_rows(line, "range(17, 50)", "[3.0] * 33")
    told = line.fail("line")
    assert "3 of 20 held-out rows are also training rows (15 %)" in told
    assert "hold rows out by what they are" in told


def test_declared_repetitions_are_told(line: Place):
    give_training_rows(line, "range(17, 50)", "[3.0, 9.0] + [3.0] * 31", "max_leaked=0.1")
    record = line.train("line")
    told = "2 of 20 held-out rows are also training rows (10 %), and 1 more are with another truth"
    assert told in (line.folder(record) / "log.txt").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(("range(20, 50)", "[3.0]"), "30 training instances and 1 truths", id="truths"),
        pytest.param(("range(20, 50)", "None", "max_leaked=2"), "max_leaked is 2: give a share", id="share"),
        pytest.param(("range(17, 50)", "None"), "3 of 20 held-out rows", id="no truths"),
    ],
)
def test_training_rows_must_make_sense(line: Place, given: tuple[str, str], told: str):
    give_training_rows(line, *given)
    assert told in line.fail("line")


def deploy(line: Place, name: str) -> str:
    """Train as a deployment does; give what it wrote to its log."""
    ended = line.python("-m", "rung.training.deployed", "--service", "line", environment={"RUNG_REVISION": name})
    return ended.stderr


def test_bundle_tells_data_tests_apart(line: Place):
    deploy(line, "line.v1.m1")
    line.edit("experiments/line/tests/data.py", "def error", "def largest_error")
    line.edit("experiments/line/tests/data.py", "from rung", 'removed = {"error": "renamed"}\nfrom rung')
    deploy(line, "line.v1.m2")
    first, second = (read_bundle(line.root / ".rung", f"line.v1.m{minor}") for minor in (1, 2))
    assert (list(first.data_tests), list(second.data_tests)) == (["error"], ["largest_error"])
    assert first.data_tests["error"] != second.data_tests["largest_error"]
    assert (first.removed_tests, second.removed_tests) == ({}, {"error": "renamed"})


@pytest.mark.parametrize(
    ("removed", "told"),
    [
        pytest.param('["r2"]', "removed must name tests, each with a reason", id="no reasons"),
        pytest.param('{"r2": " "}', "removed must name tests, each with a reason", id="blank reason"),
        pytest.param('{"error": "why"}', "has the test error and says that it is removed", id="still there"),
    ],
)
def test_reasons_for_removed_tests_are_held(line: Place, removed: str, told: str):
    line.edit("experiments/line/tests/data.py", "from rung", f"removed = {removed}\nfrom rung")
    assert told in deploy(line, "line.v1.m1")
