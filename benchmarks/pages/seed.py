"""Fills a registry for the benchmark: 100 services, 2,000 revisions, 100,000 runs, and all that belongs to them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from rung.registry import _tables as tables
from rung.schema import ABTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.registry import Registry

SERVICES, REVISIONS, RUNS = 100, 20, 1_000
"""Services; revisions of each; runs of each."""
LOOKS = 100
_BATCH = 2_000
_BEGIN = datetime.now(UTC) - timedelta(days=200)
_GATES = ("regression", "data", "replay", "load", "experiment")
_METRIC = {
    "name": "converted",
    "kind": "proportion",
    "goal": "maximize",
    "role": "decision",
    "minimum_effect": 0.02,
    "source": "the shop",
    "proximity": "it is what the shop lives of",
}
_DESIGN = ABTest.model_validate({"metrics": [_METRIC], "share": 0.5}).model_dump(mode="json")


def service(number: int) -> str:
    """Name a service."""
    return f"service_{number:03}"


def run(number: int, index: int) -> str:
    """Name a run."""
    return f"{service(number)}-{index:05}"


def seed(registry: Registry) -> None:
    """Fill it, in large transactions: no method of the registry is for so many rows."""
    drawn = random.Random(0)
    for number in range(SERVICES):
        rows = _rows(number, drawn)
        with registry._write() as connection:  # noqa: SLF001  see above
            for name in ("revisions", "events", "promotions", "verdicts", "experiments", "arms", "splits", "looks"):
                for start in range(0, len(rows[name]), _BATCH):
                    connection.execute(insert(tables.metadata.tables[name]), rows[name][start : start + _BATCH])
            for start in range(0, RUNS, _BATCH):
                chosen = [_run(number, index, drawn) for index in range(start, min(start + _BATCH, RUNS))]
                connection.execute(insert(tables.runs), chosen)


def _rows(number: int, drawn: random.Random) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in tables.metadata.tables}
    for minor in range(REVISIONS):
        _add_revision(found, number, minor, drawn)
    for consumer in ("webshop", "desk", "report"):
        _add_contract(found, number, consumer)
    return found


def _add_contract(found: dict[str, list[dict[str, Any]]], number: int, consumer: str) -> None:
    requests = [{"route": "predict", "body": {"instances": [{"rooms": rooms}]}} for rooms in range(50)]
    data = {"consumer": consumer, "version": 1, "requests": requests, "reads": {"/price": ["number"]}}
    told = {"kind": "contract", "time": _time(1), "actor": "ada", "because": "it shows the price"}
    found["events"].append({"service": service(number), "major": 1, "minor": None, **told, "data": data})


def _state(number: int, minor: int) -> str:
    if minor == REVISIONS - 1:
        return ("experimenting", "experimenting", "awaiting_approval", "failed", "candidate")[number % 5]
    if minor == REVISIONS - 2:
        return "incumbent"
    return "candidate" if minor == 0 else "retired" if minor % 3 == 0 else "torn_down"


def _add_revision(found: dict[str, list[dict[str, Any]]], number: int, minor: int, drawn: random.Random) -> None:
    key = {"service": service(number), "major": 1, "minor": minor}
    name, state, since = f"{service(number)}.v1.m{minor}", _state(number, minor), _time(minor * 24)
    told = {"reason": "significantly worse than the incumbent on the same 3,177 rows", "actor": "ada"}
    found["revisions"].append(
        {
            **key,
            **told,
            "state": state,
            "since": since,
            "created": since,
            "run": run(number, minor),
            "commit": "a" * 40,
            "dirty": False,
            "environment": None,
            "warm_until": None,
            "promoted": None,
            "origin": None,
        }
    )
    for kind in ("training", "trained", "deploying", "memory", "candidate", "testing", *_GATES, state):
        event = kind if kind not in _GATES else "verdict"
        data = {"gate": kind, "kind": "pass"} if event == "verdict" else {"is_above": False, "total_bytes": 318 << 20}
        row = {**key, "kind": event, "time": since, "actor": "rung", "because": told["reason"], "data": data}
        found["events"].append(row)
    if minor:
        _add_attempt(found, key, name, is_open=state in {"experimenting", "awaiting_approval"}, drawn=drawn)


def _add_attempt(
    found: dict[str, list[dict[str, Any]]], key: dict[str, Any], name: str, *, is_open: bool, drawn: random.Random
) -> None:
    number, minor, since = int(key["service"][-3:]), key["minor"], _time(key["minor"] * 24 + 1)
    identity = number * REVISIONS + minor
    ended = None if is_open else _time(minor * 24 + 20)
    attempt = {**key, "id": identity, "actor": "ben", "started": since, "ended": ended, "joint": False, "policy": None}
    outcome = {
        "outcome": None if is_open else "rejected",
        "because": None if is_open else "it lost",
        "gate_since": since,
    }
    found["promotions"].append({**attempt, **outcome, "gate": "approval" if number % 5 == 2 else "load"})
    for gate in _GATES[: 4 if is_open else 5]:
        tests = [{"name": f"test_{index}", "passed": True, "told": "", "because": ""} for index in range(20)]
        row = {"promotion": identity, "gate": gate, "kind": "pass", "because": "it holds", "time": since}
        found["verdicts"].append({**row, "evidence": {"tests": tests, "rows": 3_177}})
    if minor % 2 or is_open:
        _add_test(found, name, identity, since=since, ended=ended, looks=LOOKS if is_open else 10, drawn=drawn)


def _add_test(
    found: dict[str, list[dict[str, Any]]],
    name: str,
    attempt: int,
    *,
    since: str,
    ended: str | None,
    looks: int,
    drawn: random.Random,
) -> None:
    incumbent = f"{name.rpartition('.')[0]}.m{REVISIONS - 2}"
    identity = f"{name}-{attempt}"
    course = [_look(index, drawn) for index in range(looks)]
    row = {"id": identity, "promotion": attempt, "incumbent": incumbent, "challenger": name, "design": _DESIGN}
    found["experiments"].append({**row, "started": since, "ended": ended, "look": course[-1]})
    found["arms"].append({"promotion": attempt, "experiment": identity})
    for share in (0.1, 0.25, 0.5):
        split = {"experiment": identity, "since": since, "applied": since, "kind": "ramp", "actor": "rung"}
        found["splits"].append({**split, "shares": {name: share, incumbent: 1 - share}, "because": "as declared"})
    begin = datetime.fromisoformat(since)
    for index, figures in enumerate(course):
        time = (begin + timedelta(minutes=10 * (index + 1))).isoformat(timespec="microseconds")
        found["looks"].append({"experiment": identity, "time": time, "figures": figures})


def _look(index: int, drawn: random.Random) -> dict[str, Any]:
    error = 0.2 / (index + 1) ** 0.5
    effect = 0.01 + drawn.gauss(0, error / 5)
    look = {
        "decision": "continue",
        "because": "it is not decided yet",
        "effect": effect,
        "standard_error": error,
        "interval": [effect - 2 * error, effect + 2 * error],
        "log_likelihood_ratio": drawn.gauss(0, 1),
        "weighted_log_likelihood_ratio": drawn.gauss(0, 1),
        "bounds": {"lower": -1.6, "upper": 2.8, "burn_in": 100},
        "progress": 0.01 * index,
    }
    units = {"challenger": 10 * index, "incumbent": 30 * index}
    ratio = {"e_value": 1.0, "because": "the traffic split as declared: as many as were to be"}
    told = {"metric": "converted", "minimum_effect": 0.02, "progress": "converted: it is not decided yet"}
    return {**told, "share": 0.5, "exposed": units, "outcomes": units, "look": look, "sample_ratio": ratio}


def _run(number: int, index: int, drawn: random.Random) -> dict[str, Any]:
    started = _time(index / 5)
    record = {
        "id": run(number, index),
        "service": service(number),
        "kind": "training",
        "status": "succeeded",
        "started": started,
        "user": "ada",
        "python": "3.11.2",
        "rung": "0.1.0",
        "pid": 1,
        "commit": "a" * 40,
        "branch": "main",
        "dirty": False,
        "patch": None,
        "environment": "sha256:" + "b" * 64,
        "requirements": None,
        "seed": 0,
        "hyperparameters": {"model": "boosting", "depth": index % 9, "rate": drawn.random()},
        "overrides": {},
        "settings": {},
        "tasks": [_task(task, drawn) for task in ("load_data", "split", "build_model", "evaluate")],
        "metrics": {"within_10_percent": drawn.random(), "mean_absolute_error": drawn.random()},
        "failed_tests": [],
        "ended": started,
        "seconds": drawn.random() * 10,
        "peak_memory_bytes": 300 << 20,
        "exit_code": 0,
        "error": None,
        "revision": f"{service(number)}.v1.m{index}" if index < REVISIONS else None,
    }
    return {name: record[name] for name in ("id", "service", "kind", "started", "status")} | {"record": record}


def _task(name: str, drawn: random.Random) -> dict[str, Any]:
    digest = f"sha256:{drawn.getrandbits(256):064x}"
    more = {"kept": {}, "data": [], "error": None, "drew_seed": None, "conversions": {}, "size": 100_000}
    told = {"state": "ran", "because": "it has not run here before", "seconds": drawn.random()}
    return {"name": name, "key": digest, "digest": digest, "closure": digest, **told, **more}


def _time(hours: float) -> str:
    return (_BEGIN + timedelta(hours=hours)).isoformat(timespec="microseconds")


def paths() -> Iterator[tuple[str, list[str]]]:
    """Give each kind of page, and addresses of it that are asked for in turn."""
    some = range(0, SERVICES, 7)
    yield "services", ["/ui/"]
    yield "service", [f"/ui/services/{service(one)}" for one in some]
    yield "revision", [f"/ui/revisions/{service(one)}.v1.m{one % REVISIONS}" for one in some]
    yield "model card", [f"/ui/revisions/{service(one)}.v1.m{one % REVISIONS}/card" for one in some]
    yield "promotion", [f"/ui/revisions/{service(one)}.v1.m{REVISIONS - 1}/promotion" for one in some]
    yield "A/B test", [f"/ui/majors/{service(one)}/1/ab" for one in some]
    yield "runs", ["/ui/runs"]
    yield "runs of a service", [f"/ui/runs?service={service(one)}" for one in some]
    yield (
        "an earlier page of runs",
        [f"/ui/runs?service={service(one)}&before={_time(99)}|x".replace("+", "%2B") for one in some],
    )
    yield "run", [f"/ui/runs/{run(one, 500 + one)}" for one in some]
    yield "runs compared", [f"/ui/runs/compare?run={run(one, 1)}&run={run(one, 2)}&run={run(one, 3)}" for one in some]
    yield "data", ["/ui/data"]
    yield "dataset", ["/ui/data/sales"]
    yield "monitoring", [f"/ui/services/{service(one)}/monitoring" for one in some]
    yield "contracts", [f"/ui/services/{service(one)}/contracts" for one in some]
    yield "alerts", ["/ui/alerts"]
    yield "notebooks", ["/ui/notebooks"]
    yield "knowledge", ["/ui/knowledge"]
    yield "knowledge found", [f"/ui/knowledge?find=rows+{service(one)}" for one in some]
    yield "audit", ["/ui/audit"]
    yield "audit of a service", [f"/ui/audit?service={service(one)}&kind=verdict" for one in some]
    yield "audit of somebody", ["/ui/audit?actor=nobody"]
