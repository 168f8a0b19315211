"""What the pages say of the code is what the code says."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tomllib
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from docs_pages import PAGES, ROOT

from rung.access import LEAST
from rung.errors import BrokenError, CallError, RungError, UnavailableError
from rung.lifecycle import MOVES, State
from rung.settings import (
    Alerts,
    Channel,
    Listen,
    Log,
    Login,
    Mlflow,
    Person,
    Policy,
    Price,
    Retraining,
    Rules,
    Settings,
    Team,
    Training,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_made_pages_are_fresh():
    ended = subprocess.run(
        [sys.executable, ROOT / "tools" / "docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_lifecycle_page_tells_every_move():
    text = (ROOT / "docs" / "lifecycle.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    told = {State(state): frozenset(map(State, re.findall(r"`(\w+)`", moves))) for state, moves in rows.items()}
    assert told == dict(MOVES)
    drawn = re.findall(r"^    (\w+) --> (\w+)$", text, re.MULTILINE)
    assert sorted(drawn) == sorted((state, to) for state, moves in MOVES.items() for to in moves)


def test_architecture_page_has_the_layers():
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".importlinter")
    wanted = [
        [part.strip().removeprefix("rung.") for part in line.split("|")]
        for line in settings["importlinter:contract:layers"]["layers"].strip().splitlines()
    ]
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("| layer | what it does |")[2].partition("\n\n")[0]
    told = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]
    assert told == wanted


def test_named_source_files_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("| question | files, in order |")[2].partition("\n\n")[0]
    named = re.findall(r"`([\w/]+\.py)`", table)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "src" / "rung" / name).is_file()] == []


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    for path in (ROOT / "requirements").glob("*.in"):
        declared += [line for line in path.read_text().splitlines() if line and line[0].isalpha()]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in declared}
    page = (ROOT / "docs" / "dependencies.md").read_text()
    told = {
        name
        for row in re.findall(r"^\| (`.*?) \| .{12,} \|$", page, re.MULTILINE)
        for name in re.findall("`(.*?)`", row)
    }
    assert told == names


def test_operations_page_has_the_settings():
    text = (ROOT / "docs" / "operations.md").read_text()
    told = {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", row)}
    sections = {"listen": Listen, "login": Login, "price": Price, "services.NAME": Policy, "services.NAME.log": Log}
    sections |= {"alerts": Alerts, "alerts.channels.NAME": Channel, "services.NAME.alerts": Rules, "mlflow": Mlflow}
    sections |= {"services.NAME.retraining": Retraining, "training": Training, "teams.NAME": Team}
    sections |= {"people.NAME": Person, "people.NAME.channels.NAME": Channel}
    inside = {f"{section}.{name}" for section, model in sections.items() for name in model.model_fields}
    outside = Settings.model_fields.keys() - {
        "alerts",
        "listen",
        "login",
        "mlflow",
        "people",
        "price",
        "services",
        "teams",
        "training",
    }
    assert (inside - {*sections, "alerts.channels", "people.NAME.channels"}) | outside <= told
    for name in ("gateway_port", "control_port", "keep_warm_s", "keep_candidates_s"):
        assert f"| `{name}` | {getattr(Settings(), name)} |" in text


def test_operations_page_names_every_variable():
    sources = (ROOT / "src" / "rung").rglob("*.py")
    used = {name for path in sources for name in re.findall(r'"(RUNG_[A-Z_]+[A-Z])"', path.read_text())}
    told = set(re.findall(r"`(RUNG_[A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert told == used


def test_security_page_has_the_roles():
    text = (ROOT / "docs" / "security.md").read_text()
    table = text.partition("| action | least role | what it is |")[2].partition("\n\n")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", table, re.MULTILINE)) == {
        str(action): str(role) for action, role in LEAST.items()
    }


def test_exit_statuses_are_those_of_the_errors():
    page = (ROOT / "docs" / "cli.md").read_text()
    told = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.MULTILINE))
    assert "mend it" in told[str(CallError.exit_code)]
    assert "wait" in told[str(UnavailableError.exit_code)]
    assert "broken" in told[str(BrokenError.exit_code)]
    assert str(RungError.exit_code) in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


def test_every_page_can_be_reached():
    linked = {page.resolve() for page in _reached(ROOT / "README.md", set())}
    assert sorted(set((ROOT / "docs").rglob("*.md")) - linked) == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _reached(page: Path, seen: set[Path]) -> set[Path]:
    if page in seen or page.suffix != ".md" or not page.is_file():
        return seen
    seen.add(page)
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            _reached((page.parent / target).resolve(), seen)
    return seen
