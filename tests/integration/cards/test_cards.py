"""Model cards and bills of materials of real revisions: trained from a commit, with a promotion on record."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx_schema import problems
from tests.conftest import Place

from rung.cards import bill_of_materials, gather, model_card
from rung.control.deployment.source import check_source, take_snapshot
from rung.errors import NotFoundError
from rung.lifecycle import Gate, State, Verdict, VerdictKind
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.training import read_run
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from rung.cards import Facts

LOCK = "# Python 3.11\nnumpy==2.4.6 \\\n    --hash=sha256:" + "a" * 64 + "\nmine @ https://example.org/mine.whl \\\n"
LOCK += "    --hash=sha256:" + "b" * 64 + "\n"
_DECLARED = 'from rung.testing import Sensitive, goal\n\nsensitive = [Sensitive("garage", max_difference={"r2": 0.5})]'
TESTS = [
    {"name": "r2", "candidate": 0.75, "reference": -0.01, "p_value": 0.5, "smallest_caught": 0.01, "passed": True},
]


@pytest.fixture(scope="module")
def housing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Workspace]:
    """`housing.v1.m0`, deployed and then promoted, as far as the registry knows."""
    place = Place(root=tmp_path_factory.mktemp("workspace"))
    place.write("rung.toml", "")
    place.write("experiments/__init__.py", "")
    place.housing()
    place.edit("experiments/housing/train/main.py", '] = "benchmark"', '] = "linear"')
    place.edit("experiments/housing/tests/data.py", "from rung.testing import goal", _DECLARED)
    place.edit("experiments/housing/serve/app.py", "import numpy as np\n", "import numpy as np\nimport rung.explain\n")
    place.edit("experiments/housing/serve/app.py", "def predict(", "@rung.explain.explained\ndef predict(")
    place.write(".gitignore", ".rung/\n")
    commit = place.commit()
    workspace = Workspace(root=place.root, state=place.root / ".rung")
    with open_registry(workspace.state, None) as registry:
        name = registry.create_revision("housing", 1, actor="ada", commit=commit, dirty=False)
        run = registry.revision(name).run
        folder = workspace.state / "revisions" / str(name)
        folder.mkdir(parents=True)
        (folder / "requirements.lock").write_text(LOCK)
        take_snapshot(place.root, folder / "source", check_source(place.root, allow_dirty=False))
        deployed = {"RUNG_REVISION": str(name), "RUNG_RUN": run}
        ended = place.python("-m", "rung.training.deployed", "--service", "housing", environment=deployed)
        assert ended.returncode == 0, ended.stderr
        registry.record_run(read_run(workspace.runs / run).to_json())
    return place, workspace


def facts(workspace: Workspace) -> Facts:
    with open_registry(workspace.state, None) as registry:
        return gather(RevisionName.parse("housing.v1.m0"), registry=registry, workspace=workspace)


def promoted(workspace: Workspace) -> None:
    """Put an attempt on record, once."""
    name = RevisionName.parse("housing.v1.m0")
    with open_registry(workspace.state, None) as registry:
        if registry.promotions("housing"):
            return
        for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
            registry.move(name, state, because="as a test says", actor="ada")
        registry.begin_promotion(name, actor="grace")
        (attempt,) = registry.promotions("housing")
        evidence: dict[str, Any] = {"reference": "housing.v1.m9", "tests": TESTS}
        because = "no data test is significantly worse | than housing.v1.m9's"
        registry.begin_gate(attempt, Gate.DATA, because="it is next")
        verdict = Verdict(gate=Gate.DATA, kind=VerdictKind.PASS, because=because, evidence=evidence)
        registry.add_verdict(attempt, verdict)


def test_card_tells_what_is_on_record(housing: tuple[Place, Workspace]):
    _, workspace = housing
    promoted(workspace)
    found = facts(workspace)
    card = model_card(found)
    assert card.startswith("# housing.v1.m0\n\n## Where it is\n\nIt is **")
    for told in (
        "trained by ada",
        "promotion 1 by grace: under way",
        "engineering owner: engineering@example.org",
        "Valuation of single-family houses",
        "| r2 | 0.749629 | 0.75 | -0.01 | 0.5 | 0.01 |",
        "`within_10_percent` (decision, maximize, from an effect of 0.03 on)",
        "### garage",
        "too small to compare: basement",
        "linear terms in the",
        "The county's own valuation leaks the price.",
        "worse \\| than housing.v1.m9's",
        "| data/houses.parquet |  | not on record |",
        "| numpy | 2.4.6 | not known here |",
        f"commit `{found.revision.commit}`",
        'model = "linear"',
    ):
        assert told in card, told
    assert card == model_card(facts(workspace))


def test_bill_fits_the_schema(housing: tuple[Place, Workspace]):
    _, workspace = housing
    promoted(workspace)
    bill = bill_of_materials(facts(workspace))
    assert problems(bill) == []
    assert bill == bill_of_materials(facts(workspace))
    assert uuid.UUID(bill["serialNumber"].removeprefix("urn:uuid:")).version == 5
    assert bill["version"] == 2
    model = bill["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "housing", "v1.m0")
    kinds = {one["bom-ref"]: one for one in bill["components"]}
    assert kinds["data:data/houses.parquet"]["type"] == "data"
    assert kinds["pkg:pypi/numpy@2.4.6"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert kinds["pkg:pypi/mine"]["externalReferences"][0]["url"] == "https://example.org/mine.whl"
    assert {one["name"] for one in model["components"]} >= {"build_model.artifact", "held_out.artifact"}
    card = model["modelCard"]
    assert card["considerations"]["technicalLimitations"][0].startswith("**The market moves.**")
    assert any(one["slice"] == "held-out rows" for one in card["quantitativeAnalysis"]["performanceMetrics"])
    assert card["considerations"]["fairnessAssessments"][0]["groupAtRisk"].startswith("garage: ")


def test_schema_finds_what_is_wrong(housing: tuple[Place, Workspace]):
    bill = bill_of_materials(facts(housing[1]))
    bill["components"][0]["type"] = "dataset"
    assert problems(bill)


def test_command_prints_and_writes(housing: tuple[Place, Workspace]):
    place, workspace = housing
    printed = place.python("-m", "rung.cli", "card", "housing.v1.m0")
    assert printed.stdout == model_card(facts(workspace))
    written = place.python(
        *("-m", "rung.cli", "card", "housing.v1.m0", "--format", "cyclonedx", "--output", "bill.json", "--json")
    )
    assert written.returncode == 0, written.stderr
    assert json.loads((place.root / "bill.json").read_text()) == json.loads(written.stdout)["bill"]


def test_file_that_cannot_be_written_is_told(housing: tuple[Place, Workspace]):
    place, _ = housing
    ended = place.python("-m", "rung.cli", "card", "housing.v1.m0", "--output", "nowhere/card.md")
    assert ended.returncode == 2
    assert "nowhere/card.md cannot be written" in ended.stderr


def test_run_tells_of_groups_and_fields(housing: tuple[Place, Workspace]):
    place, _ = housing
    shown = place.python("-m", "rung.cli", "runs", "show", "housing.v1.m0").stdout
    assert "within_10_percent by garage: attached and none are 0.236 apart" in shown
    assert "r2 by garage: pass: carport and none are 0.379 apart, not surely" in shown
    assert "r2 gets worse when a field is shuffled: living_area_sqft 0.4" in shown


def test_card_of_a_revision_that_lost_its_files_tells_the_rest(housing: tuple[Place, Workspace], tmp_path: Path):
    _, workspace = housing
    with open_registry(workspace.state, None) as registry:
        elsewhere = Workspace(root=workspace.root, state=tmp_path)
        found = gather(RevisionName.parse("housing.v1.m0"), registry=registry, workspace=elsewhere)
    assert "Nothing on record." in model_card(found)
    assert problems(bill_of_materials(found)) == []


def test_revision_that_never_was_has_no_card(housing: tuple[Place, Workspace]):
    with open_registry(housing[1].state, None) as registry, pytest.raises(NotFoundError):
        gather(RevisionName.parse("housing.v1.m7"), registry=registry, workspace=housing[1])
