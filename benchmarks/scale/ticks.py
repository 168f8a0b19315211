"""What does a look of the control plane cost as the number of served revisions grows? Measured, fitted, drawn.

    python benchmarks/scale/ticks.py [--sizes 1,10,100,300,1000] [--pictures docs/images]

The look is that of benchmarks/monitoring/tick.py: the real loop, registry, gateway and collector. Called by `run.py`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from fit import Line, fitted

from rung.charts.figure import Curve, Figure, Panel, Rule
from rung.charts.svg import to_svg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "monitoring"))
import tick

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1, 10, 100, 300, 1_000)
LOOKS = 12
MOST_S = 1.0
LEAST_FIT = 0.98
"""Of the variance of processor seconds, that a straight line explains."""


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Look at so many served revisions, one size after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    points = [{"revisions": size, **tick.measure(revisions=size, served=size, looks=LOOKS)} for size in sizes]
    line = fitted([(one["revisions"], one["cpu_s"]) for one in points])
    return {"points": points, "cpu_s_each": line.slope, "cpu_s_base": line.base, "fit": line.explained}


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the goals."""
    last = found["points"][-1]
    return [
        {
            "goal": f"a look of the control plane at {last['revisions']:,} served revisions, median",
            "measured": f"{last['median_s'] * 1e3:.0f} ms",
            "bar": f"<= {MOST_S * 1e3:.0f} ms",
            "ok": last["median_s"] <= MOST_S,
            "beside": f"{last['cpu_s'] * 1e3:.0f} ms of processor time",
        },
        {
            "goal": "its processor time grows linearly: variance explained by a straight line",
            "measured": round(found["fit"], 4),
            "bar": f">= {LEAST_FIT:g}",
            "ok": found["fit"] >= LEAST_FIT,
            "beside": f"{found['cpu_s_each'] * 1e6:.0f} us for each revision",
        },
    ]


def draw(found: dict[str, Any], folder: Path) -> Path:
    """Draw what was measured, and the line through it."""
    points, line = found["points"], Line(slope=found["cpu_s_each"], base=found["cpu_s_base"], explained=found["fit"])
    most = points[-1]["revisions"]
    seconds = tuple((float(one["revisions"]), one["median_s"]) for one in points)
    busy = tuple((float(one["revisions"]), one["cpu_s"]) for one in points)
    straight = ((0.0, line.at(0)), (float(most), line.at(most)))
    panel = Panel(
        title="seconds of a look",
        low=0.0,
        high=max(MOST_S, *(y for _, y in seconds)) * 1.05,
        curves=(
            Curve(points=seconds, label="elapsed, median", tone="second", dotted=True),
            Curve(points=busy, label="processor time", dotted=True),
            Curve(points=straight, label="a straight line", tone="quiet"),
        ),
        rules=(Rule(y=MOST_S, label="goal", tone="bad"),),
    )
    told = f"{line.slope * 1e6:.0f} microseconds of processor time for each revision that is served."
    figure = Figure(
        title="A look of the control plane",
        told=told,
        x_title="served revisions",
        low=0.0,
        high=float(most),
        panels=(panel,),
    )
    path = folder / "scale-tick.svg"
    path.write_text(to_svg(figure))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--pictures", type=Path, help="folder to draw into")
    options = parser.parse_args()
    figures = measure([int(size) for size in options.sizes.split(",")])
    if options.pictures is not None:
        draw(figures, options.pictures)
    print(json.dumps(figures, indent=1))
