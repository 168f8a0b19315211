"""The rows that the data gate compares on, and the scores of both revisions on them."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from rung import artifacts
from rung.errors import NotFoundError
from rung.serving import Bundle, read_bundle, write_bundle
from rung.testing import Draws, _tests, goal, score_draws
from rung.testing._paired import check_rows, groups, paired
from rung.testing._rows import hash_rows, keep_rows
from rung.testing.gate import map_requests
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HELD_OUT = list(range(100))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "rung.toml").touch()
    return find(tmp_path)


def trained(workspace: Workspace, revision: str, *, on: list[int] | None, held_out: list[int] | None = None) -> None:
    """Write a revision that was trained on these numbers; the truth of a number is its double."""
    store = artifacts.LocalStore(workspace.artifacts)
    kept: dict[str, Any] = {}
    if on is not None:
        kept["training_rows"] = keep_rows(hash_rows(on, [2 * x for x in on]), max_leaked=0).model_dump()
    if held_out is not None:
        kept["held_out"] = {"X_test": held_out, "y_test": [2 * x for x in held_out]}
    digests = {name: store.put(artifacts.encode(value)) for name, value in kept.items()}
    bundle = Bundle(revision=revision, run="r", artifacts=digests, contract={}, infrastructure={}, example={})
    write_bundle(workspace.state, bundle)


@pytest.mark.parametrize(
    ("reference", "left", "left_out"),
    [
        pytest.param([100, 101], 100, False, id="none seen"),
        pytest.param([98, 99, 100], 98, True, id="some seen"),
        pytest.param(list(range(50)), 50, True, id="half seen"),
        pytest.param(list(range(51)), 100, False, id="too many seen"),
    ],
)
def test_rows_that_the_reference_saw_are_left_out(
    workspace: Workspace, reference: list[int], left: int, left_out: bool
):
    trained(workspace, "s.v1.m2", on=[100], held_out=HELD_OUT)
    trained(workspace, "s.v1.m1", on=reference)
    checked = check_rows(workspace, "s.v1.m2", "s.v1.m1")
    assert (len(checked.rows[0]), len(checked.rows[1]), checked.left_out) == (left, left, left_out)
    found = checked.to_json()
    assert json.loads(json.dumps(found)) == found
    assert found["seen_by_reference"]["leaked"] == len(set(reference) & set(HELD_OUT))
    assert (found["training_rows"]["leaked"], found["rows"]) == (0, left)


def test_rows_of_trainings_that_kept_none(workspace: Workspace):
    trained(workspace, "s.v1.m2", on=None, held_out=HELD_OUT)
    trained(workspace, "s.v1.m1", on=None)
    assert check_rows(workspace, "s.v1.m2", "s.v1.m1").to_json() == {
        "rows": 100,
        "training_rows": None,
        "seen_by_reference": None,
    }
    with pytest.raises(NotFoundError, match=r"the training of s\.v1\.m1 kept no held-out rows"):
        check_rows(workspace, "s.v1.m1", "s.v1.m2")


def test_leak_of_a_deployed_revision_is_found(workspace: Workspace):
    trained(workspace, "s.v1.m2", on=[98, 99, 100], held_out=HELD_OUT)
    trained(workspace, "s.v1.m1", on=None)
    assert check_rows(workspace, "s.v1.m2", "s.v1.m1").to_json()["training_rows"]["leaked"] == 2


class Counting:
    """A consumer that gets each number's double, plus an error of its own."""

    def __init__(self, error: float) -> None:
        self.error = error

    def predict(self, numbers: list[int]) -> list[float]:
        return [2 * number + self.error for number in numbers]


@goal.minimize
def mean_error(client: Any, X_test: Any, y_test: Any) -> float:  # noqa: N803
    return statistics.fmean(abs(one - y) for one, y in zip(client.predict(X_test), y_test, strict=True))


@goal.minimize(smooth=False, budget=3)
def median_error(client: Any, X_test: Any, y_test: Any) -> float:  # noqa: N803
    return statistics.median(abs(one - y) for one, y in zip(client.predict(X_test), y_test, strict=True))


class Tests:
    """Of a candidate."""

    __test__ = False

    def __init__(self, **data: Callable[..., float]) -> None:
        self.data = data


def test_both_are_scored_on_the_same_rows():
    rows = (HELD_OUT, [2 * x for x in HELD_OUT])
    tests: Any = Tests(mean_error=mean_error, median_error=median_error, alone=mean_error)
    clients: Any = (Counting(1), Counting(4))
    mean, median, alone = paired(tests, clients, rows, known=frozenset(("mean_error", "median_error")))
    assert (mean["goal"], mean["budget"], mean["smooth"]) == ("minimize", None, True)
    assert (mean["candidate"]["full"], mean["reference"]["full"]) == (1, 4)
    assert mean["candidate"]["without_group"] == (1,) * 50
    assert (median["budget"], median["smooth"], len(median["candidate"]["drawn"])) == (3, False, 1_000)
    assert median["reference"]["drawn"] == (4,) * 1_000
    assert (alone["candidate"]["full"], alone["reference"]) == (1, None)


def test_draws_are_the_same_each_time():
    rows: Any = (HELD_OUT, HELD_OUT)
    client: Any = Counting(0)
    first, second = (score_draws(median_error, client, rows) for _ in range(2))
    assert isinstance(first, Draws)
    assert first == second
    assert len(set(first.drawn)) > 10


def test_draw_without_a_number_is_none():
    @goal.maximize(smooth=False)
    def fragile(client: Any, X_test: Any, y_test: Any) -> float:  # noqa: N803
        return float("nan") if 0 not in X_test else 1.0

    rows: Any = ([0, 1, 2], [0, 1, 2])
    found = score_draws(fragile, Counting(0), rows)  # type: ignore[arg-type]  # it answers as a client does
    assert isinstance(found, Draws)
    assert set(found.drawn) == {1.0, None}


@pytest.mark.parametrize(("count", "draws"), [(50, 1_000), (200, 500), (1_000, 200)])
def test_many_rows_are_drawn_less_often(monkeypatch: pytest.MonkeyPatch, count: int, draws: int):
    monkeypatch.setattr(_tests, "_DRAWN_ROWS", 100_000)
    found = score_draws(median_error, Counting(1), ([0] * count, [0] * count))  # type: ignore[arg-type]  # as above
    assert isinstance(found, Draws)
    assert (len(found.drawn), found.full) == (draws, 1.0)


def test_groups_are_of_equal_size():
    assert sorted(map(groups(103).count, range(50))) == [2] * 47 + [3] * 3


def test_first_bundles_named_their_tests_only(workspace: Workspace):
    trained(workspace, "s.v1.m1", on=None)
    path = workspace.state / "revisions" / "s.v1.m1" / "bundle.json"
    old = {name: value for name, value in json.loads(path.read_bytes()).items() if name != "removed_tests"}
    path.write_text(json.dumps({**old, "data_tests": ["r2", "mae"]}))
    assert read_bundle(workspace.state, "s.v1.m1").data_tests == {"r2": "", "mae": ""}


class Mapping:
    """The tests of a new major."""

    def __init__(self, upgrade_request: Any) -> None:
        self.upgrade_request = upgrade_request


RECORDED = [{"id": f"p{x}", "route": "predict", "body": {"instances": [{"x": x}]}} for x in range(3)]


def test_requests_of_the_major_before_are_mapped():
    def upgrade(route: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "value", {"instances": [{"inverse": 1 / instance["x"]} for instance in body["instances"]]}

    tests: Any = Mapping(upgrade)
    found = map_requests(tests, RECORDED)
    assert found["mapped"] == [
        {"id": "p1", "route": "value", "body": {"instances": [{"inverse": 1.0}]}},
        {"id": "p2", "route": "value", "body": {"instances": [{"inverse": 0.5}]}},
    ]
    assert found["failed"] == [{"id": "p0", "because": "upgrade_request raised ZeroDivisionError: division by zero"}]


def test_major_without_mapping_says_so():
    tests: Any = Mapping(None)
    assert map_requests(tests, RECORDED) == {"declared": False, "mapped": [], "failed": []}
