"""How long a handler waits for 100 features of one entity, and of 64 at once, from each kind of online store.

    python benchmarks/data/online.py [--entities 20000]

What is timed is what a handler calls: `stats.of(ids)`, from the key to values with defaults, in one round trip. Redis
and PostgreSQL are real servers on this machine. Writes build/bench/online.json.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from report import keep

from rung.data import Append, Catalogue, Dataset, reading_from
from rung.features import Feature, FeatureView, OnlineSource, Reader, ViewOf, materialize_view, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

FEATURES = 100
TOGETHER = 64  # instances of a batch
READS = 2_000
BAR_MS = 1.0
GOAL = f"online read of {FEATURES} features of one entity, p50, ms"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=20_000)
    figures = measure(parser.parse_args().entities)
    entries = judged(figures)
    print(f"{'':12}{'one, p50':>10}{'p99':>9}{'64, p50':>10}{'p99':>9} ms   entities/s written")
    for kind, found in figures.items():
        times = "".join(f"{found[name]:9.3f} " for name in ("one_p50_ms", "one_p99_ms", "many_p50_ms", "many_p99_ms"))
        print(f"{kind:12}{times}{found['written_per_s']:16,.0f}")
    keep("online", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure())


def judged(figures: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Hold the figures of each store against the bar."""
    return [
        {"goal": f"{GOAL} ({kind})", "measured": one["one_p50_ms"], "bar": BAR_MS, "ok": one["one_p50_ms"] <= BAR_MS}
        for kind, one in figures.items()
    ]


def measure(entities: int = 20_000) -> dict[str, dict[str, float]]:
    """Materialise a view into each store, and read from it: milliseconds, by store."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="rung-online-") as name, reading_from(Catalogue(f"{name}/datasets")) as _:
        view = lay(Path(name), entities)
        with servers() as urls:
            for kind, url in urls.items():
                with closing(open_store(url, Path(name))) as store:
                    began = time.perf_counter()
                    materialize_view(view, store)
                    written_per_s = entities / (time.perf_counter() - began)
                    figures[kind] = {**read(view, store, entities), "written_per_s": written_per_s}
    return figures


def lay(folder: Path, entities: int) -> FeatureView:
    """Write a dataset with a row for each entity; give a view of it."""
    draw = random.Random(7)
    rows = {f"f{number}": [draw.gauss(0, 1) for _ in range(entities)] for number in range(FEATURES)}
    frame = pl.DataFrame({"house": range(entities), "known": datetime(2026, 1, 1, tzinfo=UTC), **rows})
    Catalogue(folder / "datasets").write("houses", frame, how=Append())
    features = {name: Feature(float, default=0.0) for name in rows}
    return FeatureView(name="stats", entity="house", source=Dataset("houses"), time="known", features=features)


def read(view: FeatureView, store: Any, entities: int) -> dict[str, float]:
    """Time reads of one entity, and of as many as a batch has, drawn anew each time."""
    draw = random.Random(8)
    of = ViewOf(view, OnlineSource(store, view))
    found = {}
    for name, count, reads in (("one", 1, READS), ("many", TOGETHER, READS // 10)):
        took = []
        for _ in range(reads):
            ids = [draw.randrange(entities) for _ in range(count)]
            began = time.perf_counter()
            Reader(of, []).of(ids)
            took.append((time.perf_counter() - began) * 1e3)
        found[f"{name}_p50_ms"] = statistics.median(took)
        found[f"{name}_p99_ms"] = statistics.quantiles(took, n=100)[98]
    return found


@contextmanager
def servers() -> Iterator[dict[str, str | None]]:
    """Give the URL of each kind of store; servers are those of the tests."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
    from postgresql import postgres_server  # noqa: PLC0415  found by the line above
    from redis_server import redis_server  # noqa: PLC0415  as above

    with redis_server() as redis, postgres_server() as postgresql:
        yield {"sqlite": None, "redis": redis.url, "postgresql": postgresql.database(migrated=False)}


if __name__ == "__main__":
    main()
