"""`Experiment`: the author's functions as one training, run and recorded."""

from __future__ import annotations

import difflib
import importlib.util
import io
import json
import os
import re
import sys
import time
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, TextIO

from rung import __version__, artifacts, graph, openlineage
from rung.artifacts import file_digest
from rung.closure import Closure, Closures
from rung.compute.installed import installed_environment
from rung.errors import (
    CallError,
    ConflictError,
    GraphError,
    NotFoundError,
    PrunedError,
    RungError,
    TaskError,
    WorkspaceError,
)
from rung.training import _kept, _memo, _record
from rung.training._cache import Cache
from rung.training._mirror import mirror_soon
from rung.training._provenance import SourceQuery, patch, peak_memory_bytes
from rung.training._record import RunRecord, new_run_id, user_name, utc_now
from rung.training._report import Report
from rung.training._runner import Plan, Runner, author_frames, promises_results
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rung.training._trial import Trial
    from rung.workspace import Workspace


_IS_TRAINING = re.compile(r"experiments\.\w+\.train\.main")
_IS_OURS = re.compile(r"experiments\.")


class Experiment:
    """Tasks, composed by the names of their parameters, and the model of their hyperparameters.

    Args:
        tasks: Plain functions. One of them returns `TestResults`, made by `evaluate_models`.
        hyperparameters: A Pydantic model whose fields all have defaults; None when no task takes any.

    Raises:
        GraphError: The functions do not make a graph.
    """

    def __init__(self, *tasks: Callable[..., Any], hyperparameters: Any = None) -> None:
        self.graph = graph.build(tasks)
        self.hyperparameters = hyperparameters
        taking = [task.name for task in self.graph.tasks.values() if task.takes_hyperparameters]
        if taking and hyperparameters is None:
            raise GraphError(
                f"task {taking[0]!r} takes hyperparameters, and the experiment has none",
                hint="write Experiment(..., hyperparameters=Hyperparameters)",
            )
        self._last: tuple[Workspace, RunRecord] | None = None

    def run(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
        jobs: int = 1,
        use_cache: bool = True,
        quiet: bool = False,
        trial: Trial | None = None,
    ) -> RunRecord:
        """Run the tasks, each from the cache where nothing that it depends on changed.

        Args:
            settings: Hyperparameters for this run only, as text: `{"n_estimators": "300"}`.
            overrides: Tasks for this run only: `{"load_data": "sample_data"}`, a function of the same module.
            jobs: Tasks side by side at most. With more than one, tasks should draw from generators of their own.
            use_cache: False runs every task.
            quiet: Print no progress.
            trial: Of which study this run is a trial.

        Raises:
            GraphError: No task returns `TestResults`, or an override does not fit.
            CallError: A setting does not fit the hyperparameters.
            TaskError: A task raised, or one that is annotated with `TestResults` returned something else.
        """
        if self._module() == "__main__":
            try:
                return self._as_imported().run(
                    settings=settings, overrides=overrides, jobs=jobs, use_cache=use_cache, quiet=quiet, trial=trial
                )
            except RungError as error:  # the end of a program: a sentence and a status, not frames of Rung's
                sys.stderr.write(f"{error}\n")
                raise SystemExit(error.exit_code) from error
        workspace = find(Path(sys.modules[self._module()].__file__ or "."))
        if "RUNG_REVISION" not in os.environ and trial is None:  # what these make is kept by who started them
            _kept.require(workspace)
        chosen = graph.replace(self.graph, self._replacements(overrides or {}))
        _require_evaluation(chosen)
        values = self._hyperparameters(settings or {})
        record, source = self._begin(workspace, dict(settings or {}), dict(overrides or {}), values, trial=trial)
        folder = workspace.runs / record.id
        terminal = None if quiet else sys.stderr
        started = time.perf_counter()
        with _logged(folder / _record.LOG) as log:
            report = Report(record, stream=terminal, log=log)
            try:
                self._execute(
                    workspace, chosen, record, values, report=report, jobs=jobs, use_cache=use_cache, trial=trial
                )
            except BaseException as error:
                _fail(record, error, log)
                raise
            finally:
                self._end(workspace, record, source, time.perf_counter() - started)
                report.end()
        self._last = (workspace, record)
        return record

    def save(self) -> Path:
        """Register the last run in the central store and give its folder.

        The record and the artifacts are in the folder as soon as `run` ended; saving makes the run findable for all.

        Raises:
            ConflictError: Nothing has run.
        """
        if self._last is None:
            delegate = self._as_imported() if self._module() == "__main__" else None
            if delegate is None or delegate._last is None:  # noqa: SLF001  the same class
                raise ConflictError("there is no run to save", hint="call experiment.run() first")
            self._last = delegate._last  # noqa: SLF001
        workspace, record = self._last
        _memo.remember(workspace, record)
        register(workspace, record)
        return workspace.runs / record.id

    def check(self) -> None:
        """Refuse what `run` would refuse before it starts, and results that are made by hand.

        Raises:
            GraphError: No task returns `TestResults`, or none that does calls `evaluate_models`.
        """
        _require_evaluation(self.graph)
        follow = Closures(find(Path(sys.modules[self._module()].__file__ or ".")).root)
        promising = [task for task in self.graph.tasks.values() if promises_results(task)]
        if not any(follow.of(task.function, {}).reaches_evaluation for task in promising):
            raise GraphError(
                f"{promising[0].name} returns TestResults without evaluate_models, so nothing judges the models",
                hint="return evaluate_models(X_test=..., y_test=...)",
            )

    def output(self, name: str) -> Any:
        """Give an output of the last run: of a task, or what `evaluate_models` kept.

        Raises:
            ConflictError: Nothing has run.
            NotFoundError: The run has no such output.
        """
        if self._last is None:
            raise ConflictError("there is no run", hint="call experiment.run() first")
        workspace, record = self._last
        digest = record.artifacts.get(name)
        if digest is None:
            raise NotFoundError(f"run {record.id} has no output {name!r}", hint=f"it has {', '.join(record.artifacts)}")
        return artifacts.decode(artifacts.LocalStore(workspace.artifacts).get(digest), digest=digest)

    def _module(self) -> str:
        """Name the module that the experiment is of: tasks may come from others."""
        modules = [task.function.__module__ for task in self.graph.tasks.values()]
        modules.append(getattr(self.hyperparameters, "__module__", ""))
        for fits in ("__main__".__eq__, _IS_TRAINING.fullmatch, _IS_OURS.match):
            if found := next(filter(fits, modules), None):
                return found
        return modules[0]

    def _as_imported(self) -> Experiment:
        """Give this experiment as other modules import it: classes of `__main__` could not be found again."""
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        if spec is None:
            raise WorkspaceError(
                "the training was started as a file", hint="start it with `python -m experiments.SERVICE.train.main`"
            )
        module = importlib.import_module(spec.name)
        for value in vars(module).values():
            if isinstance(value, Experiment) and list(value.graph.tasks) == list(self.graph.tasks):
                return value
        raise WorkspaceError(
            f"{spec.name} has no experiment at its top level", hint="write experiment = Experiment(...)"
        )

    def _replacements(self, overrides: Mapping[str, str]) -> dict[str, Callable[..., Any]]:
        module = sys.modules[self._module()]
        found: dict[str, Callable[..., Any]] = {}
        for task, name in overrides.items():
            function = getattr(module, name, None)
            if not callable(function):
                functions = [known for known, value in vars(module).items() if isinstance(value, FunctionType)]
                raise GraphError(
                    f"{module.__name__} has no function {name!r} to take the place of {task}",
                    hint=_nearest(name, functions),
                )
            found[task] = function
        return found

    def _hyperparameters(self, settings: Mapping[str, str]) -> Any:
        if self.hyperparameters is None:
            if settings:
                raise CallError("the experiment has no hyperparameters to set", hint="leave --set away")
            return None
        return read_settings(self.hyperparameters, settings)

    def _begin(
        self,
        workspace: Workspace,
        settings: dict[str, str],
        overrides: dict[str, str],
        values: Any,
        *,
        trial: Trial | None,
    ) -> tuple[RunRecord, SourceQuery]:
        source = SourceQuery(workspace.root)
        name = self._module().split(".")[1] if self._module().startswith("experiments.") else workspace.root.name
        requirements = workspace.experiments / name / "infrastructure" / "requirements.txt"
        installed = installed_environment()
        record = RunRecord(
            id=os.environ.get("RUNG_RUN") or new_run_id(name),
            service=name,
            kind="training" if trial is None else "trial",
            source=None if trial is None else trial.name,
            status="running",
            started=utc_now(),
            user=user_name(),
            python=".".join(map(str, sys.version_info[:3])),
            rung=__version__,
            pid=os.getpid(),
            environment=installed.digest,
            requirements=file_digest(requirements) if requirements.is_file() else None,
            seed=int(getattr(values, "seed", 0) or 0),
            hyperparameters=values.model_dump(mode="json") if values is not None else {},
            settings=settings,
            overrides=overrides,
            revision=os.environ.get("RUNG_REVISION"),
        )
        folder = workspace.runs / record.id
        folder.mkdir(parents=True, exist_ok=True)
        record.write(folder)
        (folder / "environment.txt").write_text("\n".join(installed.lines) + "\n")
        openlineage.emit_training(workspace, record.to_json())
        return record, source

    def _execute(
        self,
        workspace: Workspace,
        chosen: graph.Graph,
        record: RunRecord,
        values: Any,
        *,
        report: Report,
        jobs: int,
        use_cache: bool,
        trial: Trial | None,
    ) -> None:
        closures = _closures(workspace, chosen, record.service, values)
        plan = Plan(
            workspace=workspace,
            service=record.service,
            graph=chosen,
            closures=closures,
            hyperparameters=values,
            values=record.hyperparameters,
            environment=record.environment,
            seed=record.seed,
            run=record.id,
            folder=workspace.runs / record.id,
            use_cache=use_cache,
            trial=trial,
        )
        cache = Cache(workspace.cache, workspace, record.service)
        runner = Runner(plan, report.task, artifacts.LocalStore(workspace.artifacts), cache)
        try:
            runner.run(jobs=jobs)
        finally:
            ended = runner.records | runner.failures
            record.tasks = [ended[name] for name in chosen.tasks if name in ended]
            record.metrics = runner.metrics
            record.failed_tests = runner.failed_tests
        record.status, record.exit_code = "succeeded", 0

    def _end(self, workspace: Workspace, record: RunRecord, query: SourceQuery, seconds: float) -> None:
        source = query.answer()
        record.commit, record.branch, record.dirty = source.commit, source.branch, source.dirty
        folder = workspace.runs / record.id
        if source.dirty and source.commit is not None and not source.is_snapshot:
            (folder / _record.PATCH).write_bytes(patch(workspace.root))
            record.patch = file_digest(folder / _record.PATCH)
        record.ended = utc_now()
        record.seconds = seconds
        record.peak_memory_bytes = peak_memory_bytes()
        record.write(folder, durable=True)
        openlineage.emit_training(workspace, record.to_json())


def read_settings(model: Any, settings: Mapping[str, str]) -> Any:
    """Make the hyperparameters of a run from their defaults and what was set, as text.

    Raises:
        CallError: A name is unknown, or a value does not fit.
    """
    unknown = sorted(settings.keys() - model.model_fields.keys())
    if unknown:
        raise CallError(f"there is no hyperparameter {unknown[0]!r}", hint=_nearest(unknown[0], model.model_fields))
    from pydantic import ValidationError  # noqa: PLC0415  already imported by the author's model

    try:
        return model.model_validate(settings)
    except ValidationError as error:
        wrong = {str(found["loc"][0]) for found in error.errors() if found["loc"]} & settings.keys()
        first = error.errors()[0]
    try:  # text that does not fit may be JSON: a list, null
        return model.model_validate({**settings, **{name: _as_json(settings[name]) for name in wrong}})
    except ValidationError as error:
        first = first if wrong else error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        raise CallError(f"the hyperparameter {name} has no value", hint="give it a default, or set it with --set")
    if not name:
        raise CallError(f"the hyperparameters do not fit: {first['msg']}", hint="set others with --set NAME=VALUE")
    raise CallError(
        f"the hyperparameter {name} = {first['input']!r}: {first['msg']}", hint="set it with --set NAME=VALUE"
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"they are {', '.join(known) or 'none'}"


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def register(workspace: Workspace, record: RunRecord) -> None:
    """Keep a run in the storage, then in the registry where that is installed: a revision's environment has none.

    A run whose id was given (`RUNG_RUN`) is put on record by whoever gave it: the control plane, which alone knows
    where the registry is, or a reproduction, which is compared and thrown away.

    Raises:
        UnavailableError: The storage or the registry does not take it; the run's folder has all of it.
    """
    _kept.keep(workspace, record)
    if os.environ.get("RUNG_RUN") or importlib.util.find_spec("sqlalchemy") is None:
        return
    from rung.registry import record_run  # noqa: PLC0415  optional: the platform extra

    record_run(workspace.state, record.to_json(), workspace.registry_url())
    mirror_soon(workspace)


def _require_evaluation(chosen: graph.Graph) -> None:
    if not any(map(promises_results, chosen.tasks.values())):
        raise GraphError(
            "no task returns TestResults, so nothing would judge the models",
            hint="add def evaluate(split, build_model) -> TestResults: return evaluate_models(X_test=..., y_test=...)",
        )


def _closures(workspace: Workspace, chosen: graph.Graph, service: str, values: Any) -> dict[str, Closure]:
    follow = Closures(workspace.root)
    fields = {} if values is None else {name: getattr(values, name) for name in type(values).model_fields}
    found = {name: follow.of(task.function, fields) for name, task in chosen.tasks.items()}
    tests: str | None = None
    for name, closure in found.items():
        if closure.reaches_evaluation:
            tests = tests or _memo.package_digest(workspace.experiments / service)
            found[name] = Closure(
                digest=f"{closure.digest} {tests}", hyperparameters=closure.hyperparameters, reaches_evaluation=True
            )
    return found


def _fail(record: RunRecord, error: BaseException, log: TextIO) -> None:
    """Tell what happened: all of it in the log, the service's own frames on the terminal, too."""
    record.status = "pruned" if isinstance(error, PrunedError) else "failed"
    record.exit_code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 1)
    record.error = str(error) or type(error).__name__
    if isinstance(error, PrunedError):
        log.write(f"{record.error}\n")
        return
    cause = error.__cause__ if isinstance(error, TaskError) and error.__cause__ is not None else error
    if cause is not error or not isinstance(error, RungError):
        sys.stderr.write("Traceback (the service's own code):\n")
        sys.stderr.writelines(traceback.format_list(author_frames(cause)))
        sys.stderr.writelines(traceback.format_exception_only(cause))
    log.write(f"{record.error}\n")


class _Tee(io.TextIOBase):
    """Writes to the terminal and to the run's log; everything else is as the terminal has it."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        return self._stream.encoding

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._log.flush()
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _logged(path: Path) -> Iterator[TextIO]:
    with (
        path.open("a", buffering=1, encoding="utf-8", errors="replace") as log,
        redirect_stdout(_Tee(sys.stdout, log)),
        redirect_stderr(_Tee(sys.stderr, log)),
    ):
        yield log
