"""Files and datasets through the handlers of a real revision, in its own environment: as its server answers."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import httpx2
import polars as pl
import psutil
import pytest
from waiting import until

from rung.batch import Order, predict
from rung.data.sources import silent
from rung.errors import CallError, ConflictError, NotFoundError, TaskError
from rung.exports import open_export
from rung.objects import open_objects
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from live_platform import LivePlatform
    from object_store import ObjectStore

    from rung.batch import Summary
    from rung.data.sources import Step

REVISION = "tiny.v1.m1"
MIXED = "id,x,note\n007,1,a\n008,abc,b\n009,,c\n010,666,d\n011,5000,e\n012,7,f\nshort\n013,1000,g\n"


@pytest.fixture(scope="module")
def scored(platform: LivePlatform) -> Callable[..., Summary]:
    """Predict with the incumbent, in this process."""
    export = open_export(RevisionName.parse(REVISION), platform.place.workspace)

    def score(source: Path | str, output: Path | str, tell: Callable[[Step], None] = silent, **more: Any) -> Summary:
        return predict(export, Order(inputs=[str(source)], output=str(output), **more), tell=tell)

    return score


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_predicted_as_by_the_server(platform: LivePlatform, tmp_path: Path):
    (platform.root / "mixed.csv").write_text(MIXED)
    output = tmp_path / "out.ndjson"
    words = ("predict", REVISION, "--input", "mixed.csv", "--output", str(output), "--parameters", '{"offset": 0.5}')
    told = platform.ask(*words, expect=1)
    assert (told["rows"], told["predicted"], told["refused"]) == (8, 3, 5)
    assert told["memory_bytes"] > 1 << 20
    rows = lines(output)
    body = {"instances": [{"x": 1}, {"x": 7}, {"x": 1000}], "parameters": {"offset": 0.5}}
    answer = httpx2.post(f"{platform.gateway}/tiny/v1/m1/predict", json=body, timeout=20).json()
    assert [row["y"] for row in rows] == [prediction["y"] for prediction in answer["predictions"]]
    assert [(row["id"], row["note"], row["row"], row["revision"]) for row in rows] == [
        ("007", "a", 1, REVISION),
        ("012", "f", 6, REVISION),
        ("013", "g", 8, REVISION),
    ]
    assert [row["prediction_id"] for row in rows] == [f"{told['batch']}-{number}" for number in (1, 6, 8)]


def test_every_refused_row_is_told_with_its_reason(scored: Callable[..., Summary], tmp_path: Path):
    (tmp_path / "mixed.csv").write_text(MIXED)
    summary = scored(tmp_path / "mixed.csv", tmp_path / "out.parquet")
    assert summary.errors == f"{tmp_path}/out.parquet.errors.ndjson"
    refused = lines(tmp_path / "out.parquet.errors.ndjson")
    assert [(one["row"], one["reason"]) for one in refused] == [
        (2, "x: Input should be a valid integer, unable to parse string as an integer"),
        (3, "x: Field required"),
        (4, "y: is not finite"),
        (5, "x: Input should be less than or equal to 1000"),
        (7, "it has 1 values, and there are 3 columns"),
    ]
    assert refused[0]["content"] == {"id": "008", "x": "abc", "note": "b"}
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.schema["y"] == pl.Float64()
    assert frame["y"].to_list() == [1.0, 7.0, 1000.0]


def test_same_rows_have_the_same_ids(scored: Callable[..., Summary], tmp_path: Path):
    pl.DataFrame({"x": [1, 2]}).write_parquet(tmp_path / "in.parquet")
    (one, other) = (scored(tmp_path / "in.parquet", tmp_path / name).batch for name in ("a.parquet", "b.ndjson"))
    assert one == other
    assert scored(tmp_path / "in.parquet", tmp_path / "c.ndjson", parameters={"offset": 1}).batch != one


def test_dataset_is_predicted_by_its_name(platform: LivePlatform, scored: Callable[..., Summary], tmp_path: Path):
    (platform.root / "numbers.csv").write_text("x,who\n3,ada\n4,bob\n")
    platform.rung("data", "ingest", "numbers.csv", "--name", "numbers")
    scored("dataset:numbers@1", tmp_path / "out.ndjson", keep=["who", "x"])
    assert [(row["who"], row["x"], row["y"]) for row in lines(tmp_path / "out.ndjson")] == [
        ("ada", 3, 3.0),
        ("bob", 4, 4.0),
    ]


def test_object_store_gives_and_takes(
    scored: Callable[..., Summary], object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    bucket = object_store.bucket()
    pl.DataFrame({"x": [5, 6]}).write_parquet(tmp_path / "in.parquet")
    open_objects(bucket).upload("in.parquet", tmp_path / "in.parquet")
    scored(f"{bucket}/in.parquet", f"{bucket}/out.ndjson")
    found = open_objects(bucket).read("out.ndjson")
    assert found is not None
    assert [json.loads(line)["y"] for line in found.splitlines()] == [5.0, 6.0]
    with pytest.raises(ConflictError, match="is there already"):
        scored(f"{bucket}/in.parquet", f"{bucket}/out.ndjson")


def test_killed_batch_goes_on_where_it_was(platform: LivePlatform, tmp_path: Path):
    pl.DataFrame({"id": range(60_000), "x": [number % 600 for number in range(60_000)]}).write_parquet(
        tmp_path / "in.parquet"
    )
    output = tmp_path / "out.parquet"
    words = ("predict", REVISION, "--input", str(tmp_path / "in.parquet"), "--output", str(output), "--parallel", "1")
    first = platform.begin_command(*words)
    batches = platform.root / ".rung" / "batches"
    until(lambda: list(batches.glob("*/*/*.json")) and len(list(batches.glob("*/*/*.parquet"))) >= 2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not output.exists()
    told = platform.ask(*words)
    assert 0 < told["resumed"] < 60_000
    frame = pl.read_parquet(output)
    assert frame["id"].to_list() == list(range(60_000))
    assert frame["y"].to_list() == [float(number % 600) for number in range(60_000)]
    assert list(batches.iterdir()) == []


def test_dead_worker_is_replaced(scored: Callable[..., Summary], tmp_path: Path):
    pl.DataFrame({"x": [number % 600 for number in range(40_000)]}).write_parquet(tmp_path / "in.parquet")
    killed: list[int] = []

    def kill_once(step: Step) -> None:
        if step.what == "predicting" and not killed:
            ours = [
                one
                for one in psutil.process_iter(["cmdline"])
                if "rung_worker.py" in " ".join(one.info["cmdline"] or ())
            ]
            mine = [
                one for one in ours if "batches" in " ".join(one.info["cmdline"]) and one.name().startswith("python")
            ]
            killed.append(mine[0].pid)
            mine[0].kill()

    summary = scored(tmp_path / "in.parquet", tmp_path / "out.parquet", kill_once, workers=1)
    assert killed
    assert summary.predicted == 40_000
    assert pl.read_parquet(tmp_path / "out.parquet")["row"].to_list() == list(range(1, 40_001))


def test_hopeless_batch_is_stopped(scored: Callable[..., Summary], tmp_path: Path):
    pl.DataFrame({"x": [-1] * 5_000}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(TaskError, match="refused all of the first 5,000 rows: x: Input should be greater"):
        scored(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_what_cannot_be_asked_is_told_ahead(scored: Callable[..., Summary], tmp_path: Path):
    pl.DataFrame({"z": [1]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(CallError, match="has no column x, which an instance of 'predict' requires"):
        scored(tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(NotFoundError, match="has no route 'forecast'"):
        scored(tmp_path / "in.parquet", tmp_path / "out.parquet", route="forecast")
