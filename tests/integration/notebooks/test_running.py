"""Notebooks in real kernels. A kernel takes a second or two, so most tests look at the same three runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from notebook_cells import notebook
from waiting import until

import rung
from rung.artifacts import LocalStore, decode
from rung.errors import NotFoundError
from rung.notebooks import executed, listed, search
from rung.notebooks._gallery import executed_bytes
from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

GOOD = (
    "# parameters\nn = 3\nname = 'a'",
    "from rung.training import data_file\nrows = data_file('data/rows.csv').read_text().split()[:n]",
    "import rung\nrung.record('rows', len(rows))\nrung.record('rows', len(rows) + 0.5)\nrung.record('kept', rows)",
    "from IPython.display import HTML\nHTML('<script src=\"https://cdn.example.org/x.js\"></script><b>bold</b>')",
    "import experiments.tiny\nprint('it is', name)",
)
BAD = ("print('before')", "1 / 0", "print('never')")
SLOW = ("import rung\nrung.record('seen', 1)", "import time\ntime.sleep(600)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    root: Path

    def rung(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rung.cli", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def record(self, notebook: str) -> dict[str, Any]:
        """The newest run of a notebook."""
        with open_registry(self.root / ".rung") as registry:
            return next(run for run in listed(registry, "tiny") if run["source"] == notebook)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, new_registry: Path) -> Shop:
    """A workspace in which three notebooks have run."""
    root = tmp_path_factory.mktemp("shop")
    for folder in ("experiments/tiny/schema", "experiments/tiny/notebooks", "data", ".rung"):
        (root / folder).mkdir(parents=True)
    for name in ("experiments/__init__.py", "experiments/tiny/__init__.py", "rung.toml"):
        (root / name).touch()
    (root / ".rung" / "registry.db").write_bytes(new_registry.read_bytes())
    (root / "data" / "rows.csv").write_text("a b c d e")
    for name, cells in (("good", GOOD), ("bad", BAD), ("slow", SLOW)):
        (root / "experiments" / "tiny" / "notebooks" / f"{name}.ipynb").write_bytes(notebook(*cells))
    made = Shop(root=root)
    ended = [made.rung("notebook", "run", "tiny/good", "-p", "n=2"), made.rung("notebook", "run", "tiny/bad")]
    assert [one.returncode for one in ended] == [0, 4], [one.stderr for one in ended]
    assert "[2] code\n    1 / 0\n  | ZeroDivisionError: division by zero" in ended[1].stdout
    return made


def test_run_of_a_notebook_is_on_record_as_one_of_a_training(shop: Shop):
    record = shop.record("tiny/good")
    assert (record["kind"], record["status"], record["hyperparameters"]) == (
        "notebook",
        "succeeded",
        {"n": 2, "name": "a"},
    )
    assert record["metrics"] == {"rows": 2.5}
    (task,) = record["tasks"]
    assert [read["path"] for read in task["data"]] == ["data/rows.csv"]
    assert task["closure"].startswith("sha256:")
    assert record["seconds"] > 0
    assert record["peak_memory_bytes"] > 10_000_000
    assert record["id"] in shop.rung("runs", "list", "tiny", "--kind", "notebook").stdout
    assert record["id"] not in shop.rung("runs", "list", "tiny", "--kind", "training").stdout
    assert "is one of the kind notebook" in shop.rung("reproduce", record["id"]).stderr


def test_recorded_values_are_artifacts(shop: Shop):
    digest = shop.record("tiny/good")["tasks"][0]["kept"]["kept"]
    assert decode(LocalStore(shop.root / ".rung" / "artifacts").get(digest), digest=digest) == ["a", "b"]


def test_failed_notebook_is_kept_with_the_cell_that_failed(shop: Shop):
    record = shop.record("tiny/bad")
    assert record["error"] == "cell 2 raised ZeroDivisionError: division by zero"
    kept = executed(find(shop.root), record)
    assert [cell.source for cell in kept.cells] == list(BAD)
    assert kept.failed is kept.cells[1]
    assert kept.cells[0].text == "before\n"
    assert kept.cells[2].outputs == ()


def test_page_loads_nothing_and_runs_no_script(shop: Shop, tmp_path: Path):
    run, target = shop.record("tiny/good")["id"], tmp_path / "good.html"
    assert shop.rung("notebook", "show", run, "--html", str(target)).returncode == 0
    page = target.read_text()
    assert "<b>bold</b>" in page
    seen = _Elements()
    seen.feed(page)
    assert not seen.names & {"script", "link", "iframe", "object", "embed", "base"}
    assert not [value for name, value in seen.attributes if name not in {"href", "content"} and "//" in (value or "")]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert not re.search(r"@import|url\(", style)
    assert "default-src 'none'" in page


def test_gallery_is_searched_in_source_and_outputs(shop: Shop):
    with open_registry(shop.root / ".rung") as registry:
        records = listed(registry)
    found = list(search(find(shop.root), records, "ZERO division"))
    assert [(hit.run["source"], hit.cell, hit.line) for hit in found] == [
        ("tiny/bad", 2, "ZeroDivisionError: division by zero")
    ]
    assert [hit.cell for hit in search(find(shop.root), records, "rows.csv")] == [2 + 1]  # one has the parameters
    assert not list(search(find(shop.root), records, "nowhere"))


def test_runs_are_a_data_frame(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(shop.root)
    frame = rung.runs("tiny", kind="notebook")
    good = frame.filter(frame["source"] == "tiny/good").row(0, named=True)
    assert (good["parameters.n"], good["metrics.rows"], good["status"]) == (2, 2.5, "succeeded")
    assert rung.runs("nothing").height == 0


def test_run_of_another_kind_is_no_notebook(shop: Shop):
    with pytest.raises(NotFoundError, match="has no executed notebook"):
        executed_bytes(find(shop.root), {"id": "tiny-1", "tasks": []})


def test_time_limit_ends_the_kernel(shop: Shop):
    ended = shop.rung("notebook", "run", "tiny/slow", "--time-limit", "3s")
    assert ended.returncode == 4
    record = shop.record("tiny/slow")
    assert record["error"] == "its time limit of 3 s was over"
    assert record["metrics"] == {"seen": 1.0}
    assert not _kernels(shop.root)


def test_interrupt_ends_the_kernel_and_keeps_what_came(shop: Shop):
    command = [sys.executable, "-m", "rung.cli", "notebook", "run", "tiny/slow", "--json"]
    process = subprocess.Popen(command, cwd=shop.root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    until(lambda: list((shop.root / ".rung" / "runs").glob("*/recorded.jsonl")))
    os.kill(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert json.loads(told.partition('{"error"')[0])["error"] == "somebody stopped it"
    assert not _kernels(shop.root)


class _Elements(HTMLParser):
    """All elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


def _kernels(root: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if "rung.notebooks.kernel" in command and str(root) in command:
            found.append(command)
    return found
