"""The dataset of what a service answered, brought up to date: what was logged since, and outcomes that came late.

How far the log was read is kept with each version, so that the next one reads only what is new; a version that a killed
process left without it is read over again. Rows are told apart by request and instance, so that nothing comes twice.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data._catalogue import open_catalogue
from rung.data._names import check_dataset_name
from rung.data._version import Facts
from rung.data._write import Append, Replace, Upsert
from rung.data.feedback._outcomes import OUTCOME_TIME, is_outcome, outcomes_of
from rung.data.feedback._rows import KEY, PLAIN, agreed, fitted, to_rows, together
from rung.errors import NotFoundError
from rung.lake import OUTCOMES, PREDICTIONS, Lake, open_lake
from rung.lake._privacy import privacy_of
from rung.lake._requests import ANSWERED
from rung.lake._tables import Mark
from rung.openlineage import emit_ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version
    from rung.data._write import How
    from rung.lake._privacy import Privacy
    from rung.workspace import Workspace

__all__ = ["DOCUMENT", "Refreshed", "dataset_of", "refresh"]

DOCUMENT: Final = "feedback"
"""Kept with each version: how far the log was read, and whose answers are in it."""
_READ: Final = (*PLAIN, "id_key", "unit_key", "instances", "parameters", "predictions")
_FILES: Final = 128
"""Files of a version, from which on the next one is written anew as one."""
_DESCRIPTION: Final = "What {service} was asked and answered, one row for each instance, and what came of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh did."""

    dataset: str
    version: Version | None  # None: there was nothing new
    requests: int  # that were read of the log
    forgotten: tuple[int, ...] = ()  # versions that held rows which are not kept any longer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Up to where the log was read, and of which requests."""

    kinds: tuple[str, ...]
    predictions: Mark | None = None
    outcomes: Mark | None = None
    oldest: datetime | None = None  # of the rows of the version
    revisions: Mapping[str, int] = field(default_factory=dict)  # rows of each in the version

    def to_json(self) -> dict[str, Any]:
        return {
            "kinds": list(self.kinds),
            "predictions": None if self.predictions is None else asdict(self.predictions),
            "outcomes": None if self.outcomes is None else asdict(self.outcomes),
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
            "revisions": dict(self.revisions),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> _Read:
        marks = {name: Mark(**data[name]) if data[name] else None for name in (PREDICTIONS, OUTCOMES)}
        oldest = data["oldest"] and datetime.fromisoformat(data["oldest"])
        return cls(kinds=tuple(data["kinds"]), oldest=oldest or None, revisions=data["revisions"], **marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """Requests that no version has yet."""

    keys: pl.DataFrame  # id_key, unit_key of each
    rows: pl.DataFrame  # one for each instance


def dataset_of(service: str) -> str:
    """Name the dataset of what a service answered.

    >>> dataset_of("housing")
    'housing.predictions'
    """
    return check_dataset_name(f"{service}.predictions")


def refresh(
    workspace: Workspace,
    service: str,
    *,
    kinds: Sequence[str] = ("production",),
    rebuild: bool = False,
    by: str = "rung",
    lake: Lake | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Refreshed:
    """Bring the dataset of what a service answered up to date; make it when there is none.

    What `[services.NAME.log]` drops or hashes is not in it; rows older than its `retention_days` are removed, and
    versions that held them are forgotten.

    Args:
        workspace: Whose log it is.
        service: Its name.
        kinds: Which requests count; other kinds than those of the last version make it anew.
        rebuild: Make it anew from all that the lake has, as when the rules of privacy have changed.
        by: Who wants it.
        lake: Of the workspace, where it is open already.
        report: Is told what happens, one line at a time.

    Raises:
        NotFoundError: The service was never asked.
        ConflictError: Another process writes the same dataset on another machine; the next try works.
        UnavailableError: The lake or the datasets cannot be read or written.
    """
    with _alone(workspace, service):
        work = _Refresh(
            service=service,
            catalogue=open_catalogue(workspace),
            lake=lake or open_lake(workspace),
            privacy=privacy_of(workspace, service),
            keep_from=_keep_from(workspace, service),
            kinds=tuple(sorted(set(kinds))),
            by=by,
            report=report,
        )
        done = work.run(rebuild=rebuild)
    if done.version is not None:
        _tell(workspace, work.lake, done.version)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refresh:
    service: str
    catalogue: Catalogue
    lake: Lake
    privacy: Privacy | None
    keep_from: datetime | None  # older rows are not kept
    kinds: tuple[str, ...]
    by: str
    report: Callable[[str], None]

    @property
    def name(self) -> str:
        return dataset_of(self.service)

    def run(self, *, rebuild: bool) -> Refreshed:
        self.lake.ship()
        before = self.catalogue.version(self.name) if self.catalogue.has(self.name) else None
        last = None if before is None or rebuild else self._last_read(before)
        since = last if last is not None and last.kinds == self.kinds else _Read(kinds=self.kinds)
        answered = self.lake.tables[PREDICTIONS].changes(since.predictions)
        told = self.lake.tables[OUTCOMES].changes(since.outcomes)
        new = self._new(answered.parts)
        self.report(f"{new.keys.height:,} requests of {self.service} are new")
        if before is None and new.keys.is_empty():
            raise NotFoundError(
                f"{self.service} has answered no request of the kind {' or '.join(self.kinds)}",
                hint="consumers ask it through the gateway: `rung status` tells where",
            )
        old = before if since is last else None
        rows = self._rows(new, self._named(told.parts), old)
        version = self._write(rows, before, old, oldest=since.oldest)
        read = replace(since, predictions=answered.mark, outcomes=told.mark)
        forgotten = self._settle(version, before, read)
        return Refreshed(dataset=self.name, version=version, requests=new.keys.height, forgotten=forgotten)

    def _last_read(self, newest: Version) -> _Read | None:
        """Give up to where the log was read for the newest version that says so."""
        for number in range(newest.number, 0, -1):
            document = self.catalogue.kept(self.name, number, DOCUMENT)
            if document is not None:
                read = _Read.from_json(document)
                return read if number == newest.number else replace(read, oldest=None)  # that is of another version
        return None

    def _new(self, parts: Sequence[pl.LazyFrame]) -> _New:
        """Read the requests that are new, part by part: their JSON is large."""
        empty = self._own(self.lake.predictions()).select(_READ).head(0)
        keys, rows = [], []
        for part in (empty, *(self._own(part).select(_READ) for part in parts)):
            answers = part.collect(engine="streaming")
            keys.append(answers.select("id_key", "unit_key"))
            rows.append(to_rows(answers, self.privacy))
        return _New(keys=pl.concat(keys), rows=together(rows))

    def _own(self, predictions: pl.LazyFrame) -> pl.LazyFrame:
        rows = predictions.filter(pl.col("service") == self.service, pl.col("kind").is_in(list(self.kinds)), ANSWERED)
        if self.keep_from is not None:
            rows = rows.filter(pl.col("date") >= self.keep_from.date(), pl.col("time") >= self.keep_from)
        return rows

    def _named(self, parts: Sequence[pl.LazyFrame]) -> pl.DataFrame:
        """Give the keys of what new outcomes name."""
        empty = pl.DataFrame(schema={"unit_key": pl.Int64, "prediction_key": pl.Int64})
        named = (part.filter(pl.col("service") == self.service).select("unit_key", "prediction_key") for part in parts)
        return pl.concat([empty, *(one.unique().collect(engine="streaming") for one in named)])

    def _rows(self, new: _New, told: pl.DataFrame, old: Version | None) -> pl.DataFrame:
        """Give the rows that are new, and those of which something else came than was known."""
        keys = pl.concat([new.keys["id_key"], told["prediction_key"].rename("id_key")]).drop_nulls().unique()
        units = pl.concat([new.keys["unit_key"], told["unit_key"]]).drop_nulls().unique()
        service = self.lake.outcomes().filter(pl.col("service") == self.service)
        came = outcomes_of(service, self._own(self.lake.predictions()), keys, units)
        rows = new.rows.unique(KEY, keep="last", maintain_order=True).join(came, on="id", how="left")
        if old is None:
            return rows
        others = came.join(rows.select("id").unique(), on="id", how="anti")
        return together([rows, self._changed(others, old)])

    def _changed(self, came: pl.DataFrame, old: Version) -> pl.DataFrame:
        """Give the rows of a version whose answers have other outcomes than it says."""
        rows = self.catalogue.scan(old)
        known = [name for name in old.columns if is_outcome(name)]
        missing = [name for name in came.columns if name != "id" and name not in known]
        gone = [name for name in known if name not in came.columns]
        then = (
            rows.filter(pl.col("position") == 0)
            .select("id", *known)
            .with_columns(pl.lit(None, dtype=came.schema[name]).alias(name) for name in missing)
        )
        now = came.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in gone if name != OUTCOME_TIME)
        names = [*known, *missing]
        same = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).eq_missing(pl.col(f"{name}\0")) for name in names))
        both = then.join(now.lazy().rename({name: f"{name}\0" for name in names}), on="id")
        ids = both.filter(~same).select("id").collect(engine="streaming")
        kept = rows.drop(known).join(ids.lazy(), on="id", how="semi").collect(engine="streaming")
        return kept.join(now, on="id", how="left")

    def _write(
        self, rows: pl.DataFrame, before: Version | None, old: Version | None, *, oldest: datetime | None
    ) -> Version | None:
        """Make a version: rows come to those that are there, unless these have to change.

        Args:
            rows: That are new, or have other outcomes.
            before: The newest version.
            old: The same, where its rows stay.
            oldest: Of its rows.
        """
        has_expired = oldest is not None and self.keep_from is not None and oldest < self.keep_from
        how: How = Upsert(key=KEY) if old is not None or before is None else Replace()
        whole = rows.lazy()
        if old is not None and (has_expired or self._must_change(old, rows)):
            how, whole = Replace(), self._whole(rows, old)
        elif old is not None and rows.is_empty():
            return None
        elif old is not None and self._is_unknown(rows, old):
            how = Append()
        self.report(f"{rows.height:,} rows are new, or have other outcomes")
        newest = rows["time"].max()
        known = None if before is None else before.watermark
        facts = Facts(
            by=self.by,
            watermark=newest.isoformat() if isinstance(newest, datetime) else known,
            note=f"from the log of {self.service}: {', '.join(self.kinds)}",
        )
        onto = 0 if before is None else before.number
        version = self.catalogue.write(self.name, whole, how=how, facts=facts, onto=onto)
        if version is not None and before is None:
            told = _DESCRIPTION.format(service=self.service)
            self.catalogue.annotate(self.name, description=told, key=list(KEY), time="time")
        return version

    def _must_change(self, old: Version, rows: pl.DataFrame) -> bool:
        """Say whether rows that are there need columns of other types, or lie in very many files."""
        columns = self._columns(old)
        wanted = agreed(columns, rows.schema)
        return len(old.files) >= _FILES or any(wanted[name] != kind for name, kind in columns.items())

    def _is_unknown(self, rows: pl.DataFrame, old: Version) -> bool:
        """Say whether none of the requests is there: they need not be compared with all that are."""
        ids = rows.lazy().select("id").unique()
        there = self.catalogue.scan(old).select("id").join(ids, on="id", how="semi")
        return there.head(1).collect(engine="streaming").is_empty()

    def _whole(self, rows: pl.DataFrame, old: Version) -> pl.LazyFrame:
        """Give all rows that a version is to have, where those of the last one have to change."""
        there = self.catalogue.scan(old).join(rows.lazy().select(KEY), on=list(KEY), how="anti")
        if self.keep_from is not None:
            there = there.filter(pl.col("time") >= self.keep_from)
        columns = agreed(self._columns(old), rows.schema)
        return pl.concat([fitted(there, columns), fitted(rows.lazy(), columns)])

    def _columns(self, version: Version) -> dict[str, pl.DataType]:
        return dict(self.catalogue.scan(version).collect_schema())

    def _settle(self, version: Version | None, before: Version | None, read: _Read) -> tuple[int, ...]:
        """Keep how far the log was read, and forget what must not be kept."""
        newest = version or before
        if newest is None:
            return ()
        if version is not None or read.oldest is None:
            rows = self.catalogue.scan(newest)
            counts = rows.group_by("revision").agg(rows=pl.len(), oldest=pl.col("time").min()).sort("revision")
            found = counts.collect(engine="streaming")
            oldest = found["oldest"].min()
            read = replace(
                read,
                revisions=dict(found.select("revision", "rows").iter_rows()),
                oldest=oldest if isinstance(oldest, datetime) else None,
            )
        self.catalogue.keep(self.name, newest.number, DOCUMENT, read.to_json())
        return tuple(self._forget(newest))

    def _forget(self, newest: Version) -> Iterator[int]:
        """Forget versions with rows that are not kept any longer."""
        for version in self.catalogue.versions(self.name) if self.keep_from is not None else ():
            if version.number < newest.number and self._is_to_go(version):
                self.report(f"{version.ref} held rows that are not kept any longer: it is forgotten")
                setting = f"services.{self.service}.log.retention_days"
                self.catalogue.forget(self.name, version.number, because=f"it held rows older than {setting}")
                yield version.number

    def _is_to_go(self, version: Version) -> bool:
        """Say whether a version has rows that are not kept any longer, or is forgotten by half."""
        if self.catalogue.forgotten(self.name, version.number) is not None:
            return True
        document = self.catalogue.kept(self.name, version.number, DOCUMENT)
        oldest = _Read.from_json(document).oldest if document is not None else None
        if oldest is None:
            found = self.catalogue.scan(version).select(pl.col("time").min()).collect(engine="streaming").item()
            oldest = found if isinstance(found, datetime) else None
        return oldest is not None and self.keep_from is not None and oldest < self.keep_from


def _tell(workspace: Workspace, lake: Lake, version: Version) -> None:
    """Tell OpenLineage of a version; a refresh that finds nothing new moves no data."""
    source = f"{lake.root}/{PREDICTIONS}"
    emit_ingest(workspace, version.dataset, run=version.ref, status="running", source=source)
    emit_ingest(
        workspace, version.dataset, run=version.ref, status="succeeded", source=source, version=version.to_json()
    )


def _keep_from(workspace: Workspace, service: str) -> datetime | None:
    """Give the first instant that is kept: whole days, so that rows are removed once a day."""
    days = workspace.settings().policy(service).log.retention_days
    if days is None:
        return None
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days)


@contextmanager
def _alone(workspace: Workspace, service: str) -> Iterator[None]:
    """Wait until no other process of this machine refreshes the same."""
    folder = workspace.state / "lake" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{dataset_of(service)}.refresh.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
