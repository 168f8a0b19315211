"""The work of a batch: parts to the workers and back, those apart that an earlier call has finished."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rung.batch._crew import Crew, Post
from rung.batch._rows import parts
from rung.compute.environments import Environments
from rung.compute.exchanges import clear, sweep
from rung.compute.here import LocalCompute
from rung.compute.protocol import Machine
from rung.compute.threads import thread_limits
from rung.control.deployment.builds import Builds
from rung.control.deployment.parcels import Parcels
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.servers import revision_environment, server_threads
from rung.data.sources import Step
from rung.errors import RungError, TaskError
from rung.infrastructure import Infrastructure
from rung.objects import open_objects
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rung.batch._order import Order
    from rung.batch._output import Counted, Shelf, Table
    from rung.batch._rows import Part, Source
    from rung.compute.protocol import Compute, Parcel
    from rung.data.sources import Tell
    from rung.exports import Export
    from rung.infrastructure import ServingHardware
    from rung.schema import Fields, RouteContract

__all__ = ["BATCHES", "WORK", "Job"]

BATCHES: Final = "batches"
"""The folder of all batches, below the platform's and in the storage."""
WORK: Final = "work-"
"""Begins the name of a crew's folder."""
_LOOK_S: Final = 0.02
_LEFT_S: Final = 86_400.0  # what a batch left in the storage, whose command was not repeated
_HOPELESS: Final = 1_000  # rows that were refused with none predicted: the rest would be, too


@dataclass(slots=True, kw_only=True)
class Job:
    """One batch while it is worked on."""

    export: Export
    order: Order
    route: RouteContract
    fields: Fields
    sources: list[Source]
    table: Table
    shelf: Shelf
    tell: Tell
    done: dict[int, Counted] = field(default_factory=dict)  # parts that are finished
    resumed: int = 0  # rows that an earlier call did
    seconds: float = 0.0
    peak_bytes: int = 0  # memory of the workers
    count: int = 0  # parts

    @property
    def serving(self) -> ServingHardware:
        """What the revision declares of the machine that serves it."""
        return Infrastructure.model_validate(self.export.bundle.infrastructure).serving

    @property
    def workers(self) -> int:
        """Processes."""
        return self.order.workers or min(self.serving.gunicorn_workers, os.cpu_count() or 1)

    def run(self, compute: Compute, folder: Path) -> None:
        """Predict what is not predicted yet.

        Args:
            compute: Where the workers run.
            folder: Of the batch.

        Raises:
            TaskError: The revision cannot be asked, or refuses all of the first rows.
            UnavailableError: Something that the handlers need, or the compute, does not answer.
        """
        self.done = self.shelf.finished()
        self.resumed = sum(one.predicted + one.refused for one in self.done.values())
        began = time.monotonic()
        self._clear(folder)
        crew = Crew(
            compute=compute,
            post=self._post(compute),
            state=self.export.place.workspace.state,
            folder=folder / f"{WORK}{secrets.token_hex(4)}",
        )
        try:
            if self.resumed < sum(source.height for source in self.sources):
                crew.begin(self._told(), self.workers)
            self._work(crew)
        finally:
            crew.end()
            self.seconds, self.peak_bytes = time.monotonic() - began, crew.peak_bytes

    def _work(self, crew: Crew) -> None:
        """Keep the workers busy until every part is back; no more parts are held than they have room for."""
        waiting: dict[int, Part] = {}
        upcoming = self._unfinished()
        part = next(upcoming, None)
        while part is not None or waiting:
            while part is not None and crew.has_room:
                waiting[part.number] = part
                crew.give(part.number, self._lines(part))
                part = next(upcoming, None)
            back = list(crew.returned())
            for number, answered in back:
                if number not in waiting:  # two had it: the one that was cut off lives, and was late
                    continue
                self.done[number] = self.shelf.put(waiting.pop(number), answered, self.table)
                self._check(answered)
                self._tell()
            if not back:
                time.sleep(_LOOK_S)

    def _unfinished(self) -> Iterator[Part]:
        for part in parts(self.sources):
            self.count = part.number + 1
            if part.number not in self.done:
                yield part

    def _lines(self, part: Part) -> bytes:
        names = (
            part.rows.columns
            if self.fields.is_open
            else [name for name in part.rows.columns if name in self.fields.kinds]
        )
        if not names:
            return b"{}\n" * part.rows.height
        lines = io.BytesIO()
        part.rows.select(names).write_ndjson(lines)
        return lines.getvalue()

    def _tell(self) -> None:
        did = sum(one.predicted + one.refused for one in self.done.values())
        whole = sum(source.height for source in self.sources)
        self.tell(Step(what="predicting", done=did, whole=whole))

    def _check(self, answered: list[tuple[Any, str | None]]) -> None:
        """Stop what cannot succeed: where nothing is ever predicted, the fault is not with the rows."""
        refused = sum(one.refused for one in self.done.values())
        if refused >= _HOPELESS and not any(one.predicted for one in self.done.values()):
            reason = next(reason for _, reason in answered if reason is not None)
            raise TaskError(
                f"{self.export.name} refused all of the first {refused:,} rows: {reason}",
                hint="are the columns those of an instance? `rung export --to openapi` tells what it takes",
            )

    def _told(self) -> dict[str, Any]:
        most = self.route.max_instances
        return {
            "application": f"experiments.{self.export.name.service}.serve.app:app",
            "route": self.order.route,
            "rows": min(self.order.rows or most, most),
            "parameters": self.order.parameters,
            "fields": dict(self.fields.kinds),
            "nullable": sorted(self.fields.nullable),
        }

    def _clear(self, folder: Path) -> None:
        """Remove what crews of earlier calls, which were cut off, have left here and in the storage."""
        workspace = self.export.place.workspace
        storage = workspace.settings().storage
        for left in folder.glob(f"{WORK}*"):
            with suppress(RungError):  # a later batch sweeps it
                if storage is not None:
                    clear(open_objects(storage), left.relative_to(workspace.state).as_posix())
            shutil.rmtree(left)

    def _pack(self, compute: Compute, more: Mapping[str, Path]) -> Parcel | None:
        """Give what a worker needs where the folder is not seen; None where it always is, or nothing carries it."""
        place, name = self.export.place, self.export.name
        url = place.workspace.settings().storage
        if url is None or isinstance(compute, LocalCompute):
            return None
        objects = open_objects(url)
        with suppress(RungError):  # some other time
            sweep(objects, BATCHES, before=time.time() - _LEFT_S)
        with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
            builds = Builds(place, registry, Environments(place.environments))
            parcels = Parcels(place, Storage(place, registry, objects), builds)
            return parcels.of_workers(name, self.export.environment(), more)

    def _post(self, compute: Compute) -> Post:
        serving, name = self.serving, self.export.name
        threads = server_threads(serving)
        share = max(1, serving.gunicorn_workers)
        return Post(
            name=f"batch-{self.table.batch}",
            python=str(self.export.environment().python),
            source=self.export.place.source(name),
            environment=self._environment(threads),
            machine=Machine(vcpus=threads, memory_gib=serving.memory_gib / share, gpus=serving.gpus),
            pack=partial(self._pack, compute),
        )

    def _environment(self, threads: int) -> Mapping[str, str]:
        """Give a worker what the revision's server has, but for a log: what is predicted is in the output."""
        place, name = self.export.place, self.export.name
        with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
            others = Storage(place, registry, None).others(name)
        return {
            **revision_environment(place, name),
            **thread_limits(threads),  # as in its server: sums depend on it
            "RUNG_BUNDLES": json.dumps(Trust.of(place).bundles([name, *others])),
            "RUNG_UNIT_HEADER": self.export.bundle.unit_header,
        }
