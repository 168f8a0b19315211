"""Runs and models of an MLflow become runs of the kind `imported`; nothing of them is ever run, and no pickle is read.

Importing twice changes nothing: a run's id here is made of its id there.
"""

from __future__ import annotations

import getpass
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung import artifacts
from rung.errors import CallError, NotFoundError
from rung.mlflow._connect import answering
from rung.mlflow._facts import RUN
from rung.schema import check_service_name
from rung.training import RunRecord, TaskRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.registry import Registry
    from rung.workspace import Workspace

__all__ = ["Imported", "import_runs"]

_KIND: Final = "imported"
_DESCRIPTION: Final = "MLmodel"
_RUNS_CODE: Final = frozenset(
    {".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill", ".pth", ".pt", ".npy_object", ".py"}
)
"""Files that run code when a library reads them, or are code."""
_FLAVOUR: Final = re.compile(r"^  (\w+):", re.MULTILINE)
_AT_ONCE: Final = 500
_ENDED: Final = {"FINISHED": "succeeded", "FAILED": "failed", "KILLED": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was done."""

    runs: int
    models: int
    refused: tuple[str, ...]
    """Models that were left out, each with the reason."""


def import_runs(
    workspace: Workspace,
    registry: Registry,
    client: Any,
    *,
    tracking: str,
    experiment: str | None = None,
    service: str | None = None,
    with_pickles: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Import the runs of an experiment, or of all, with their models.

    Args:
        workspace: Where they go.
        registry: Of the workspace.
        client: Of MLflow.
        tracking: Where that is, for what it refuses.
        experiment: Its name; None: all.
        service: Whose runs they become; None: one named as the experiment.
        with_pickles: Also keep models whose files run code when MLflow reads them. They are kept as bytes, and never
            read here.
        report: Is told what was done, one line at a time.

    Raises:
        NotFoundError: There is no such experiment.
        CallError: An experiment's name cannot name a service.
        UnavailableError: MLflow refused.
    """
    runs = models = 0
    refused: list[str] = []
    with answering(tracking):
        for found in _experiments(client, experiment):
            owner = check_service_name(service or _spelled(found.name))
            for run in _runs(client, found.experiment_id):
                record = _record(run, owner)
                kept = _models(workspace, client, run, with_pickles=with_pickles, refused=refused)
                record.tasks = [_task(run, kept)]
                folder = workspace.runs / record.id
                folder.mkdir(parents=True, exist_ok=True)
                record.write(folder, durable=True)
                registry.record_run(record.to_json())
                runs, models = runs + 1, models + len(kept)
                report(f"{record.id} was imported{f' with {len(kept)} models' if kept else ''}")
    return Imported(runs=runs, models=models, refused=tuple(refused))


def _experiments(client: Any, name: str | None) -> list[Any]:
    if name is None:
        return [one for one in client.search_experiments(max_results=10_000) if one.name != "Default"]
    found = client.get_experiment_by_name(name)
    if found is None:
        known = ", ".join(one.name for one in client.search_experiments(max_results=100))
        raise NotFoundError(f"MLflow has no experiment {name!r}", hint=f"it has {known or 'none'}")
    return [found]


def _spelled(name: str) -> str:
    """Make the name of a service of an experiment's."""
    spelled = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not spelled or not spelled[0].isalpha():
        raise CallError(f"the experiment {name!r} cannot name a service", hint="say whose runs they become: --service")
    return spelled


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    """Give all runs that ended and are not Rung's own."""
    token = None
    while True:
        page = client.search_runs([experiment], max_results=_AT_ONCE, page_token=token)
        yield from (run for run in page if run.info.status in _ENDED and RUN not in run.data.tags)
        token = page.token
        if not token:
            return


def _record(run: Any, service: str) -> RunRecord:
    started = _moment(run.info.start_time)
    ended = _moment(run.info.end_time or run.info.start_time)
    tags = run.data.tags
    return RunRecord(
        id=f"{service}-{started:%Y%m%d-%H%M%S}-{run.info.run_id[:12]}",
        service=service,
        kind=_KIND,
        source=f"mlflow:{run.info.run_id}",
        status=_ENDED[run.info.status],
        started=started.isoformat(timespec="milliseconds"),
        ended=ended.isoformat(timespec="milliseconds"),
        seconds=(ended - started).total_seconds(),
        user=tags.get("mlflow.user") or getpass.getuser(),
        python="",
        rung="",
        pid=0,
        commit=tags.get("mlflow.source.git.commit"),
        hyperparameters=dict(run.data.params),
        metrics=dict(run.data.metrics),
        exit_code=0 if run.info.status == "FINISHED" else 1,
    )


def _task(run: Any, kept: dict[str, str]) -> TaskRecord:
    return TaskRecord(name="mlflow", key=run.info.run_id, state="ran", because="it ran under MLflow", kept=kept)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


def _models(workspace: Workspace, client: Any, run: Any, *, with_pickles: bool, refused: list[str]) -> dict[str, str]:
    """Keep the models of a run: each as its flavours and its files, none of them read."""
    store = artifacts.LocalStore(workspace.artifacts)
    kept: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rung-mlflow-") as scratch:
        for name, folder in _downloaded(client, run, Path(scratch)):
            files = {
                str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
            }
            unsafe = sorted(path for path in files if Path(path).suffix in _RUNS_CODE)
            if unsafe and not with_pickles:
                refused.append(f"{name} of run {run.info.run_id}: {unsafe[0]} runs code when it is read")
                continue
            written = files[_DESCRIPTION].decode(errors="replace")
            flavours = _FLAVOUR.findall(written.partition("flavors:")[2].partition("\nm")[0])
            value = {"flavours": flavours, "mlmodel": written, "files": files}
            kept[name] = store.put(artifacts.encode(value))
    return kept


def _downloaded(client: Any, run: Any, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Give each model of a run by its name, with the folder that it was fetched into."""
    import mlflow  # noqa: PLC0415  optional, and it takes seconds

    for entry in client.list_artifacts(run.info.run_id):
        inside = [one.path for one in client.list_artifacts(run.info.run_id, entry.path)] if entry.is_dir else []
        if f"{entry.path}/{_DESCRIPTION}" in inside:
            yield _named(entry.path), Path(client.download_artifacts(run.info.run_id, entry.path, str(scratch)))
    outputs = getattr(run, "outputs", None)
    for output in getattr(outputs, "model_outputs", None) or ():
        model = client.get_logged_model(output.model_id)
        target = scratch / model.model_id
        target.mkdir()
        location = model.artifact_location
        yield _named(model.name), Path(mlflow.artifacts.download_artifacts(location, dst_path=str(target)))


def _named(path: str) -> str:
    return re.sub(r"\W", "_", path)
