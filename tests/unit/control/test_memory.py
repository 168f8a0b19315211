"""What a server takes, summed up from its processes."""

from __future__ import annotations

from rung.control._overuse import has_grown
from rung.control.deployment.memory import Footprint, Memory, sum_up

MIB = 1 << 20


def process(unique: int, shared: int) -> Footprint:
    return Footprint(unique=unique * MIB, proportional=(unique + shared) * MIB)


def summed(*workers: int, declared_workers: int = 2, declared_gib: float = 1) -> Memory:
    found = [process(unique, 5) for unique in workers]
    return sum_up(process(20, 5), found, workers=declared_workers, declared_gib=declared_gib)


def test_workers_and_master_are_summed():
    memory = summed(100, 100)
    assert (memory.worker_bytes, memory.shared_bytes, memory.total_bytes) == (100 * MIB, 15 * MIB, 235 * MIB)
    assert memory.told == "2 workers, 100 MiB each, 235 MiB in all; 1 GiB declared"


def test_worker_that_loads_counts_as_the_largest():
    assert summed(100, 10).total_bytes == summed(100, 100).total_bytes


def test_worker_that_is_missing_counts_too():
    assert summed(100).total_bytes == summed(100, 100).total_bytes - 5 * MIB


def test_too_little_memory_is_told():
    memory = summed(600, 600)
    assert memory.is_above
    assert memory.told.endswith("1 GiB declared, which is too little: raise memory_gib or lower gunicorn_workers")


def test_memory_survives_its_json():
    memory = summed(100, 100)
    assert Memory.from_json(memory.to_json()) == memory


def test_growth_counts_above_what_was_declared():
    assert not has_grown(summed(400, 400), summed(100, 100))
    assert has_grown(summed(600, 600), summed(100, 100))
    assert has_grown(summed(600, 600), None)


def test_what_was_too_much_from_the_start_is_left_alone():
    assert not has_grown(summed(600, 600), summed(590, 590))
    assert has_grown(summed(800, 800), summed(590, 590))
