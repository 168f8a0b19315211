"""`rung diff` of real revisions and runs, without a control plane: trained from commits, one of them promoted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import tiny_service
from tests.conftest import Place
from typed import typed

from rung.control.deployment.source import check_source, take_snapshot
from rung.lifecycle import State
from rung.registry import open_registry
from rung.training import read_run
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "# Python 3.11\nnumpy=={} \\\n    --hash=sha256:" + "a" * 64 + "\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """`tiny.v1.m0` and `m1`, and two runs that were never deployed, the second from a tree that was not committed."""
    place = Place(root=tmp_path_factory.mktemp("workspace"))
    place.write("rung.toml", "")
    place.write(".gitignore", ".rung/\n__pycache__/\n")
    tiny_service.write(place.root)
    place.write("experiments/other/notes.md", "of another service")
    deploy(place, "2.4.6")
    tiny_service.change(place.root, "slope: float = 0.0", "slope: float = 1.0")
    tiny_service.change(place.root, "offset: Annotated[float, Field(ge=0, le=10)]", "offset: float", file=REQUEST)
    place.write("experiments/other/notes.md", "of another service, changed")
    deploy(place, "2.5.0")
    place.train("tiny")
    tiny_service.change(place.root, "range(1, 201)", "range(1, 101)")
    place.train("tiny")
    return place


REQUEST = "schema/request.py"


def deploy(place: Place, numpy: str) -> None:
    """Train the next revision as the control plane does it."""
    commit = place.commit()
    workspace = Workspace(root=place.root, state=place.root / ".rung")
    with open_registry(workspace.state) as registry:
        name = registry.create_revision("tiny", 1, actor="ada", commit=commit, dirty=False)
        folder = workspace.state / "revisions" / str(name)
        folder.mkdir(parents=True)
        (folder / "requirements.lock").write_text(LOCK.format(numpy))
        take_snapshot(place.root, folder / "source", check_source(place.root, allow_dirty=False))
        deployed = {"RUNG_REVISION": str(name), "RUNG_RUN": str(name)}
        ended = place.python("-m", "rung.training.deployed", "--service", "tiny", environment=deployed)
        assert ended.returncode == 0, ended.stderr
        registry.record_run(read_run(workspace.runs / str(name)).to_json())
        registry.move(name, State.TRAINED, because=f"it came to {numpy}", actor="ada")


def told(place: Place, *words: str) -> dict[str, Any]:
    """Give what `rung diff --json` prints, with changes by what they are of."""
    ended = typed(place.root, "diff", *words, "--json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    found["changes"] = {f"{one['kind']}: {one['what']}": one for one in found["changes"]}
    return found


def values(change: dict[str, Any]) -> tuple[str, str]:
    return change["before"], change["after"]


def test_two_revisions_are_told_apart(shop: Place):
    found = told(shop, "tiny.v1.m0", "tiny.v1.m1")
    changes = found["changes"]
    assert [(one["path"], one["what"], one["added"], one["removed"]) for one in found["code"]] == [
        ("experiments/tiny/schema/request.py", "changed", 1, 1),
        ("experiments/tiny/train/main.py", "changed", 1, 1),
    ]
    assert values(changes["hyperparameters: slope"]) == ("0.0", "1.0")
    assert values(changes["packages: numpy"]) == ("2.4.6", "2.5.0")
    assert values(changes["decision: state"]) == ("trained: it came to 2.4.6", "trained: it came to 2.5.0")
    assert changes["artifacts: build_model"]["before"].startswith("sha256:")
    assert "artifacts: load_data" not in changes
    assert [(one["name"], one["before"], one["after"]) for one in found["metrics"]] == [("mean_error", 201.0, 100.5)]
    assert {"data tests", "infrastructure", "A/B test", "requirements", "service levels"} <= set(found["same"])
    assert found["notes"] == []


def test_the_schema_is_judged_from_the_first_to_the_second(shop: Place):
    wider, narrower = told(shop, "tiny.v1.m0", "tiny.v1.m1"), told(shop, "tiny.v1.m1", "tiny.v1.m0")
    assert (wider["breaks"], narrower["breaks"]) == (False, True)
    assert narrower["changes"]["schema: predict: parameters.offset"]["breaks"]
    assert wider["schema"].startswith("compatible")
    assert narrower["schema"].startswith("breaking")


def test_a_run_and_what_was_not_committed(shop: Place):
    newest, before = (run.id for run in shop.runs() if run.revision is None)
    found = told(shop, before, newest, "--code")
    (main,) = found["code"]
    assert "+    return list(range(1, 101))" in main["lines"]
    assert "artifacts: load_data" in found["changes"]
    assert found["changes"]["run: commit"]["after"].endswith(", and what was not committed")
    assert found["notes"] == []


def test_a_revision_and_the_working_tree(shop: Place):
    found = told(shop, "tiny.v1.m1")
    assert [one["path"] for one in found["code"]] == ["experiments/tiny/train/main.py"]
    assert {"schema", "hyperparameters", "infrastructure", "data tests"} <= set(found["same"])
    (note,) = found["notes"]
    assert note.startswith("known of tiny.v1.m1 alone: overrides, code of tasks, packages, data, artifacts")


def test_code_whose_snapshot_is_gone_is_that_of_its_commit(shop: Place, tmp_path: Path):
    source = shop.root / ".rung" / "revisions" / "tiny.v1.m0" / "source"
    source.rename(tmp_path / "away")
    try:
        assert len(told(shop, "tiny.v1.m0", "tiny.v1.m1")["code"]) == 2
    finally:
        (tmp_path / "away").rename(source)


def test_people_read_it(shop: Place):
    ended = typed(shop.root, "diff", "tiny.v1.m1", "tiny.v1.m0", "--code")
    assert ended.returncode == 0
    assert "\x1b[" not in ended.stdout
    lines = ended.stdout.splitlines()
    assert lines[:2] == ["tiny.v1.m1 -> tiny.v1.m0", "code: 2 files differ, +2 -2"]
    assert "+    slope: float = 0.0" in lines
    assert "schema: breaking: who relies on tiny.v1.m1 cannot rely on tiny.v1.m0" in lines
    assert "  slope  1.0 -> 0.0" in lines
    assert "  mean_error  100.5 -> 201  (+100.5)" in lines


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tiny.v1.m0", "lost"), "there is no run 'lost'"),
        (("tiny.v1.m9", "."), "there is no revision tiny.v1.m9"),
        ((".", "."), "both are the working tree"),
    ],
)
def test_what_is_not_there_is_explained(shop: Place, words: tuple[str, ...], told: str):
    ended = typed(shop.root, "diff", *words)
    assert ended.returncode == 2
    assert told in ended.stderr
