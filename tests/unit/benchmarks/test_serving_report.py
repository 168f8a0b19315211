import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "serving"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"bench_serving_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


report, picture, soak = load("report"), load("picture"), load("soak_report")

RATES = {
    ("rung", 1, 1): [300.0, 900.0, 330.0],
    ("plain", 1, 1): [100.0, 300.0, 100.0],
    ("peer", 1, 1): [150.0, 150.0, 150.0],
    ("peer-batching", 1, 1): [400.0, 400.0, 400.0],
}


def test_compares_servers_within_each_round():
    assert report.ratio(RATES, ("rung", 1, 1), ("plain", 1, 1)) == 3.0
    assert report.ratio(RATES, ("rung", 1, 64), ("plain", 1, 64)) is None


def test_ratio_at_the_bar_keeps_the_goal():
    goals = report.ratio_goals(RATES, {"same handler": ("rung", "plain", (3.0, 5.0, 6.0))})
    assert [(goal.measured, goal.ok) for goal in goals] == [(3.0, True), (None, None), (None, None)]
    assert goals[0].goal == "same handler, c = 1, times FastAPI"


def test_holds_rung_against_each_peers_best():
    goal = report.peer_goals(RATES, "rung", {"Peer": ("peer", "peer-batching")}, (1,))[0]
    assert goal.measured == pytest.approx(0.825)
    assert (goal.goal, goal.ok) == ("ahead of Peer, 1 instance, c = 1, times its best", False)


def test_peer_that_did_not_run_is_not_beaten():
    goals = report.peer_goals(RATES, "rung", {"Absent": ("absent",)}, (1, 32))
    assert {goal.ok for goal in goals} == {None}


def test_gateway_is_judged_as_rung_configures_it():
    own = report.GatewayRow(title="own", p50_ms=[0.5, 0.6, 0.4], added_ms=[0.2, 0.3, 0.1])
    other = report.GatewayRow(title="other", p50_ms=[0.2], added_ms=[0.01])
    goal = report.gateway_goal([own, other])
    assert (goal.measured, goal.ok) == (0.2, True)
    assert report.gateway_goal([]).ok is None


def test_table_leaves_out_sizes_not_asked():
    row = report.Row(name="rung", title="Rung", version="1", sizes=(1,))
    assert "| Rung | 1 | 330 | not measured |" in report.servers_markdown([row], RATES, {}, 1)
    assert "Rung" not in report.servers_markdown([row], RATES, {}, 32)


@pytest.mark.parametrize("instances", [1, 32])
def test_serving_table_has_a_cell_per_heading(instances: int):
    row = report.Row(name="rung", title="Rung", version="1", sizes=(1, 32))
    counts = {line.count("|") for line in report.servers_markdown([row], RATES, {}, instances).splitlines()}
    assert len(counts) == 1


def test_picture_is_well_formed_and_escaped():
    bar = picture.Bar(label="A & B", value=2.0, text="<2>", own=True)
    drawn = picture.draw("Title", [picture.Panel(title="c = 1", bars=[bar, bar]), picture.Panel(title="none", bars=[])])
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]  # noqa: S314  ours
    assert texts == ["Title", "c = 1", "A & B", "<2>", "A & B", "<2>", "none"]
    assert "prefers-color-scheme:dark" in drawn


def test_longest_bar_takes_the_room():
    bars = [picture.Bar(label=str(value), value=value, text="", own=False) for value in (1.0, 4.0)]
    drawn = picture.draw("Title", [picture.Panel(title="", bars=bars)])
    widths = [float(found.get("width")) for found in ET.fromstring(drawn).iter() if found.tag.endswith("rect")]  # noqa: S314  ours
    assert widths[1] == pytest.approx(4 * widths[0])


def worker(*, bytes_per_s: float, step_at: float = 1e9, seconds: int = 600) -> list:
    base = 100 * soak.MIB
    return [
        soak.Sample(seconds=float(now), rss_bytes=int(base + bytes_per_s * now + (soak.MIB if now > step_at else 0)))
        for now in range(seconds)
    ]


@pytest.mark.parametrize(("leak", "ok"), [(0.0, True), (0.5, True), (8.0, False)])
def test_leak_of_a_pointer_is_found(leak: float, ok: bool):
    found = soak.growth(worker(bytes_per_s=leak * 1_000), requests_per_s=1_000)
    assert found.bytes_per_request == pytest.approx(leak, abs=0.01)
    assert soak.goals(errors=0, unlogged=0, workers={7: found})[-1].ok is ok


def test_one_step_of_the_allocator_is_no_leak():
    found = soak.growth(worker(bytes_per_s=0, step_at=200), requests_per_s=1_000)
    assert found.bytes_per_request == 0
    assert found.last_mib == found.first_mib + 1


def test_growth_while_settling_does_not_count():
    samples = [soak.Sample(seconds=now, rss_bytes=int(min(now, 100.0) * soak.MIB)) for now in range(600)]
    assert soak.growth(samples, requests_per_s=10).mib_per_hour == 0


def test_short_watch_decides_nothing():
    assert soak.growth(worker(bytes_per_s=0, seconds=300), requests_per_s=10) is None
    assert soak.goals(errors=0, unlogged=0, workers={7: None})[-1].ok is None


def test_errors_and_lost_lines_miss_their_goals():
    goals = soak.goals(errors=1, unlogged=2, workers={})
    assert [goal.ok for goal in goals] == [False, False, None]


def test_worst_worker_decides():
    grown = {pid: soak.growth(worker(bytes_per_s=leak), requests_per_s=1) for pid, leak in ((1, 0.0), (2, 9.0))}
    assert soak.goals(errors=0, unlogged=0, workers=grown)[-1].measured == pytest.approx(9.0, abs=0.1)


def test_soak_tables_show_every_worker():
    grown = {4: soak.growth(worker(bytes_per_s=0), requests_per_s=1), 5: None}
    text = soak.markdown(soak.goals(errors=0, unlogged=0, workers=grown), grown, soak.percentiles([1.0, 2.0]))
    assert "| 1 | 100.0 | 100.0 | +0.00 |" in text
    assert "| p50, ms | p90, ms | p99, ms | p99.9, ms | longest, ms |" in text
