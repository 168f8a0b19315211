"""What it costs to hash every byte of a dataset, beside reading the bytes alone.

    python benchmarks/data/digest.py [--megabytes 1024]

The catalogue takes the SHA-256 of each file by reading it back from where it lies (`Objects.digest`). Read is the same
file through the same page cache into one buffer, and hashed is one core's SHA-256 of bytes that are in memory already.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import keep

from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 8
ROUNDS = 5
CHUNK = 1 << 20


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1_024)
    figures = measure(parser.parse_args().megabytes)
    entries = judged(figures)
    for name, figure in figures.items():
        print(f"{name:40}{figure:10,.2f}")
    keep("digest", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure())


def measure(megabytes: int = 1_024) -> dict[str, float]:
    """Hash files of that size in all, in gigabytes per second of one core."""
    with tempfile.TemporaryDirectory(prefix="rung-digest-") as folder:
        size = megabytes * 1_000_000 // FILES
        objects = open_objects(folder)
        block = os.urandom(1_000_000)
        names = [f"part-{number}.parquet" for number in range(FILES)]
        for name in names:
            with Path(folder, name).open("wb") as file:
                file.writelines(block for _ in range(size // len(block)))
        whole = FILES * (size // len(block)) * len(block)
        memory = bytes(64_000_000)
        works: dict[str, tuple[int, Callable[[], object]]] = {
            "digest_gb_per_s": (whole, lambda: [objects.digest(name) for name in names]),
            "read_gb_per_s": (whole, lambda: [_read(Path(folder, name)) for name in names]),
            "hashed_gb_per_s": (len(memory), lambda: hashlib.sha256(memory).digest()),
        }
        rates: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):  # interleaved: whatever else runs is felt by all
            for name, (count, work) in works.items():
                began = time.process_time()
                work()
                rates[name].append(count / (time.process_time() - began) / 1e9)
        return {name: statistics.median(found) for name, found in rates.items()}


def _read(path: Path) -> None:
    buffer = bytearray(CHUNK)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def judged(figures: dict[str, float]) -> list[dict[str, Any]]:
    """Hold figures against their bars: a gigabyte per second, or what reading and hashing let through."""
    read, hashed = figures["read_gb_per_s"], figures["hashed_gb_per_s"]
    limit = 1 / (1 / read + 1 / hashed)
    bar = min(1.0, 0.9 * limit)
    measured = figures["digest_gb_per_s"]
    goal = f"full-content hash, GB per second of one core (1, or 0.9 of the limit of {limit:.2f})"
    return [{"goal": goal, "measured": measured, "bar": bar, "ok": measured >= bar}]


if __name__ == "__main__":
    main()
