"""A workspace with something of everything that a backup holds, and nothing that runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from object_store import object_store, storage

from rung import artifacts
from rung.artifacts import LocalStore
from rung.lake import OUTCOMES, AppendLog, Lake, outcome_line, prediction_line
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from rung.registry import Registry

__all__ = ["Shop", "object_store", "shop", "storage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A workspace."""

    workspace: Workspace

    @classmethod
    def make(cls, root: Path, settings: str = "") -> Shop:
        root.mkdir(parents=True)
        (root / "rung.toml").write_text(settings)
        return cls(workspace=Workspace(root=root, state=root / ".rung"))

    @property
    def state(self) -> Path:
        return self.workspace.state

    @property
    def logs(self) -> Path:
        return self.state / "lake" / "log"

    @property
    def lake(self) -> Lake:
        storage = self.workspace.settings().storage
        return Lake(self.state / "lake" if storage is None else f"{storage}/lake", logs=self.logs)

    def registry(self) -> Registry:
        return open_registry(self.state, self.workspace.registry_url())

    def train(self, number: int) -> dict[str, Any]:
        """Make a revision as the control plane does: artifacts, run, bundle, then the record."""
        store = LocalStore(self.workspace.artifacts)
        digest = store.put(artifacts.encode({"slope": float(number), "rows": list(range(1_000))}))
        with self.registry() as registry:
            name = registry.create_revision("tiny", 1, actor="anna", commit="abc", dirty=False)
            run = registry.revision(name).run
            folder = self.workspace.runs / run
            store.link(digest, folder / "build_model.artifact")
            task = {"name": "build_model", "digest": digest, "kept": {}, "data": []}
            record = {
                "id": run,
                "service": "tiny",
                "status": "succeeded",
                "started": f"2026-11-21T10:00:0{number}+00:00",
                "tasks": [task],
            }
            (folder / "run.json").write_text(json.dumps(record))
            (folder / "log.txt").write_text("it went well\n")
            home = self.state / "revisions" / str(name)
            (home / "source" / "experiments").mkdir(parents=True)
            (home / "source" / "experiments" / "main.py").write_text(f"slope = {number}\n")
            (home / "source" / "link").symlink_to("experiments/main.py")
            (home / "requirements.lock").write_text("# Python 3.11\n")
            (home / "bundle.json").write_text(json.dumps({"artifacts": {"build_model": digest}}))
            registry.record_run(record)
        return record

    def predict(self, unit: str, log: AppendLog) -> None:
        log.append(
            prediction_line(
                id=unit,
                revision="tiny.v1.m0",
                time=1_790_000_000_000_000,
                status=200,
                duration_ms=1.0,
                kind="production",
                instances=b"[1]",
                predictions=b"[2]",
                unit=unit,
            )
        )

    def measure(self, unit: str, log: AppendLog) -> None:
        log.append_durable(outcome_line(service="tiny", metric="right", value=1.0, unit=unit, received=1))

    def units(self) -> list[str]:
        """Name the units of all predictions, shipped or not."""
        self.lake.ship()
        return self.lake.predictions().select("unit").collect()["unit"].sort().to_list()

    def files(self) -> dict[str, bytes]:
        """Give what revisions, runs, studies and artifacts consist of."""
        places = [self.state / name for name in ("artifacts", "runs", "revisions", "studies")]
        found = (path for place in places for path in place.rglob("*") if path.is_file())
        return {path.relative_to(self.state).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with two revisions, shipped predictions, and some that are not."""
    shop = Shop.make(tmp_path / "shop")
    fill(shop)
    return shop


def fill(shop: Shop) -> None:
    for number in range(2):
        shop.train(number)
    (shop.state / "studies" / "tiny-1").mkdir(parents=True, exist_ok=True)
    (shop.state / "studies" / "tiny-1" / "journal").write_text('{"op_code": 0}\n')
    predictions, outcomes = AppendLog(shop.logs), AppendLog(shop.logs, OUTCOMES)
    for unit in ("a", "b"):
        shop.predict(unit, predictions)
        shop.measure(unit, outcomes)
    shop.lake.ship()
    shop.predict("c", predictions)
    predictions.close()
    outcomes.close()
