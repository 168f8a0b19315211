"""Runs a graph: each task from the cache where nothing that it depends on changed, else anew."""

from __future__ import annotations

import math
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung import artifacts, graph
from rung.data import noticing
from rung.errors import NotFoundError, TaskError
from rung.training._cache import Cache, Entry, data_key
from rung.training._context import TaskContext, notice_dataset, running, under_way
from rung.training._draws import Draws
from rung.training._record import TaskRecord
from rung.training._trial import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.closure import Closure
    from rung.training._trial import Trial
    from rung.workspace import Workspace

SUFFIX = ".artifact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run executes; all that keys depend on."""

    workspace: Workspace
    service: str
    graph: graph.Graph
    closures: Mapping[str, Closure]
    hyperparameters: Any
    """The author's model, or None."""
    values: Mapping[str, Any]
    """The hyperparameters as JSON data."""
    environment: str
    seed: int
    run: str
    folder: Path
    use_cache: bool = True
    trial: Trial | None = None


@dataclass(slots=True)
class Runner:
    """One execution of a plan."""

    plan: Plan
    report: Callable[[TaskRecord], None]
    store: artifacts.LocalStore
    cache: Cache
    records: dict[str, TaskRecord] = field(default_factory=dict)
    failures: dict[str, TaskRecord] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    failed_tests: list[str] = field(default_factory=list)
    _values: dict[str, Any] = field(default_factory=dict)

    def run(self, *, jobs: int = 1) -> None:
        """Run all tasks, at most `jobs` side by side.

        Raises:
            TaskError: A task raised, or its output cannot be kept. Tasks that ended before stay in the cache.
        """
        try:
            with noticing(notice_dataset):
                if jobs <= 1:
                    for name in self.plan.graph.tasks:
                        self._one(name)
                else:
                    self._side_by_side(jobs)
        finally:
            self.cache.close()

    def output(self, name: str) -> Any:
        """Give the output of a task that has ended.

        Raises:
            NotFoundError: It has not, or there is no such task.
        """
        if name not in self._values:
            record = self.records.get(name)
            if record is None or record.digest is None:
                raise NotFoundError(f"the task {name!r} has no output yet", hint="make it an input of this task")
            self._values[name] = artifacts.decode(self.store.get(record.digest), digest=record.digest)
        return self._values[name]

    def _side_by_side(self, jobs: int) -> None:
        waiting = dict(self.plan.graph.tasks)
        begun: dict[Future[None], str] = {}
        pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="task")
        try:
            while waiting or begun:
                for name in [n for n, task in waiting.items() if self.records.keys() >= set(task.inputs)]:
                    del waiting[name]
                    begun[pool.submit(copy_context().run, self._one, name)] = name
                done, _ = wait(begun, return_when=FIRST_COMPLETED)
                for future in done:
                    del begun[future]
                    future.result()
        finally:  # after an error, tasks that have begun end, and keep their outputs; others do not begin
            pool.shutdown(cancel_futures=True)

    def _one(self, name: str) -> None:
        task, closure = self.plan.graph.tasks[name], self.plan.closures[name]
        facts: dict[str, Any] = {
            "closure": closure.digest,
            "upstream": {name: self._settled(name) for name in task.inputs},
            "hyperparameters": self._read_values(task, closure),
            "environment": self.plan.environment,
        }
        key = graph.fingerprint(task, **facts)
        entry, because = self.cache.find(key, self.store.is_whole, seed=self.plan.seed)
        if entry is not None and (self.plan.use_cache or entry.run == self.plan.run):  # it ended before it was cut off
            for ended in range(len(entry.reports)):  # a cached trial is judged as one that runs
                judge(self.plan.trial, name, entry.reports[: ended + 1])
            record = self._from_cache(task, key, entry, because)
        else:
            because = self.cache.explain(name, facts, because)
            record = self._attempt(task, key, because if self.plan.use_cache else "the cache was not to be used")
        record.closure = closure.digest
        self.records[name] = record
        self.report(record)

    def _settled(self, name: str) -> str:
        """Spell a task's key together with the data that it read."""
        record = self.records[name]
        return f"{record.key}-{data_key(record.data, record.drew_seed)}"

    def _read_values(self, task: graph.Task, closure: Closure) -> dict[str, Any]:
        if not task.takes_hyperparameters:
            return {}
        if closure.hyperparameters is None:
            return dict(self.plan.values)
        return {name: self.plan.values[name] for name in sorted(closure.hyperparameters)}

    def _from_cache(self, task: graph.Task, key: str, entry: Entry, because: str) -> TaskRecord:
        self._link(task.name, entry.digest)
        for name, digest in entry.kept.items():
            self._link(name, digest)
        self.metrics.update(entry.metrics)
        self.failed_tests.extend(entry.failed_tests)
        return TaskRecord(
            name=task.name,
            key=key,
            state="cached",
            because=because,
            digest=entry.digest,
            size=entry.size,
            kept=entry.kept,
            data=entry.data,
            drew_seed=entry.drew_seed,
            conversions=entry.conversions,
            reports=entry.reports,
        )

    def _attempt(self, task: graph.Task, key: str, because: str) -> TaskRecord:
        context = TaskContext(
            workspace=self.plan.workspace,
            service=self.plan.service,
            task=task.name,
            output=self.output,
            trial=self.plan.trial,
        )
        started = time.perf_counter()
        try:
            return self._execute(task, key, because, context)
        except BaseException as error:
            failed = TaskRecord(name=task.name, key=key, state="failed", because=because)
            failed.seconds = time.perf_counter() - started
            failed.error = str(error) or type(error).__name__
            failed.reports = _kept_reports(context)
            self.failures[task.name] = failed
            self.report(failed)
            raise

    def _execute(self, task: graph.Task, key: str, because: str, context: TaskContext) -> TaskRecord:
        started = time.perf_counter()
        arguments = self._arguments(task)
        draws = Draws(f"{self.plan.seed}:{task.name}")
        value = self._call(task, arguments, context)
        _hold_promise(task, value)
        drew_seed = self.plan.seed if draws.were_made() else None
        data = self._encode(task.name, value)
        entry = Entry(
            digest=self.store.put(data),
            size=len(data),
            kept={name: self.store.put(self._encode(name, kept)) for name, kept in context.kept.items()},
            data=context.data,
            run=self.plan.run,
            metrics=dict(getattr(value, "metrics", {})) if is_test_results(value) else {},
            failed_tests=[result.name for result in value.failed] if is_test_results(value) else [],
            drew_seed=drew_seed,
            conversions=context.conversions,
            reports=_kept_reports(context),
        )
        self._values[task.name] = value
        self._link(task.name, entry.digest)
        for name, digest in entry.kept.items():
            self._link(name, digest)
        self.cache.add(key, entry)
        self.metrics.update(entry.metrics)
        self.failed_tests.extend(entry.failed_tests)
        return TaskRecord(
            name=task.name,
            key=key,
            state="ran",
            because=because,
            seconds=time.perf_counter() - started,
            digest=entry.digest,
            size=entry.size,
            kept=entry.kept,
            data=entry.data,
            drew_seed=drew_seed,
            conversions=entry.conversions,
            reports=entry.reports,
        )

    def _arguments(self, task: graph.Task) -> dict[str, Any]:
        arguments = {name: self.output(name) for name in task.inputs}
        if task.takes_hyperparameters:
            arguments[graph.HYPERPARAMETERS] = self.plan.hyperparameters
        return arguments

    def _call(self, task: graph.Task, arguments: dict[str, Any], context: TaskContext) -> Any:
        token = running.set(context)
        under_way.append(context)
        try:
            return task.function(**arguments)
        except TaskError:
            raise
        except (Exception, SystemExit) as error:
            takes = ", ".join(f"{name}: {type(value).__name__}" for name, value in arguments.items())
            raise TaskError(
                f"task {task.name!r}({takes}) raised {type(error).__name__}: {error}", hint=_place(error)
            ) from error
        finally:
            under_way.remove(context)
            running.reset(token)

    def _encode(self, name: str, value: Any) -> bytes:
        try:
            return artifacts.encode(value)
        except OSError:
            raise
        except Exception as error:
            raise TaskError(
                f"the output of {name!r}, a {type(value).__name__}, cannot be kept ({error})",
                hint="return data, frames, arrays, models or dataclasses of these",
            ) from error

    def _link(self, name: str, digest: str) -> None:
        self.store.link(digest, self.plan.folder / f"{name}{SUFFIX}")


def _kept_reports(context: TaskContext) -> list[list[float]]:
    """Give what JSON can hold of what a task reported."""
    return [told for told in context.reports if math.isfinite(told[1])]


def is_test_results(value: Any) -> bool:
    """Tell whether a task's output is the results of an evaluation, without importing their class."""
    return type(value).__name__ == "TestResults" and type(value).__module__ == "rung.testing._results"


def promises_results(task: graph.Task) -> bool:
    """Tell whether a task is annotated to return the results of an evaluation."""
    name = task.returns if isinstance(task.returns, str) else getattr(task.returns, "__name__", "")
    return name.rpartition(".")[2] == "TestResults"


def _hold_promise(task: graph.Task, value: Any) -> None:
    """Refuse another output of a task that promises results: nothing would judge the models.

    Raises:
        TaskError: It is another one.
    """
    if promises_results(task) and not is_test_results(value):
        raise TaskError(
            f"task {task.name!r} is annotated -> TestResults and returned {_kind(value)}, so nothing judged the models",
            hint="return evaluate_models(X_test=..., y_test=...)",
        )


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def author_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Give the frames of an error that are the author's own code."""
    own = ("/rung/", "/site-packages/", "/lib/python")
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not any(part in frame.filename for part in own)] or frames[-1:]


def _place(error: BaseException) -> str:
    frames = author_frames(error)
    return f"look at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
