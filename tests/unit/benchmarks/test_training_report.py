import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "training" / "report.py"


@pytest.fixture(scope="module")
def report():
    specification = importlib.util.spec_from_file_location("bench_training_report", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


PLAIN = {"chain of 10": [0.2, 0.4], "chain of 100": [0.2, 0.4], "real pipeline": [2.0, 3.0]}
RUNG = {
    "chain of 10": [0.3, 0.6],
    "chain of 100": [0.345, 0.645],
    "real pipeline": [2.2, 3.2],
    "real pipeline again": [0.4, 0.5],
}


def test_compares_within_each_round(report: ModuleType):
    figures = report.summarise(RUNG, PLAIN)
    assert figures.short_ratio == pytest.approx(1.5)
    assert figures.further_task == pytest.approx(0.5)
    assert figures.real_over_plain == pytest.approx(0.2)
    assert figures.again == pytest.approx(0.45)


def test_leaves_out_what_did_not_run(report: ModuleType):
    assert report.summarise({}, PLAIN) == report.Figures()


def test_bar_itself_keeps_the_goal(report: ModuleType):
    promises = report.goals(report.Figures(short_ratio=2.0, again=0.61), help_ratio=None, deployment=None)
    assert [goal.ok for goal in promises] == [True, None, None, False, None, None]


def test_table_names_failures_and_missing_caches(report: ModuleType):
    row = report.Row(title="Kedro", version="1.7.0", cached=False, wall=report.Figures(short=0.6), cpu=report.Figures())
    text = report.markdown([row], report.goals(report.Figures(), help_ratio=3, deployment=None), ["DVC did not start"])
    missing = "not measured"
    assert f"| Kedro | 1.7.0 | 0.60 | {missing} | {missing} | {missing} | {missing} | no cache |" in text
    assert "| `rung --help`, times the CPU of `python -c pass` | 3.00 | 10 | kept |" in text
    assert text.endswith("- DVC did not start\n")


def test_table_has_a_cell_per_heading(report: ModuleType):
    table = report.markdown([], [], []).splitlines()[:2]
    assert table[0].count("|") == table[1].count("|") == len(report.HEAD) + 1


@pytest.mark.parametrize(("load", "words"), [(1.2, "quiet enough"), (4.8, "trust the CPU times"), (None, "Nothing")])
def test_says_how_busy_the_machine_was(report: ModuleType, load: float | None, words: str):
    assert words in report.quietness(load, 2)
