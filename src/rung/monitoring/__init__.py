"""Watching: what production sends and gets, held against what training saw and against the week before.

`rung monitor` asks it. What it finds are values, each with its reason, to be shown or judged by rules. Importing this
package imports neither polars nor the lake.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.monitoring._drift import Drift, Limits, Segment, drifts, segments
    from rung.monitoring._finding import Finding, Kind
    from rung.monitoring._gather import Sources, monitor
    from rung.monitoring._ledger import KEEP_DAYS
    from rung.monitoring._page import to_html
    from rung.monitoring._plain import report_from_json, report_to_json
    from rung.monitoring._report import Report
    from rung.monitoring._sketch import Sketch, statistics
    from rung.monitoring._sources import open_sources

__all__ = [
    "KEEP_DAYS",
    "Drift",
    "Finding",
    "Kind",
    "Limits",
    "Report",
    "Segment",
    "Sketch",
    "Sources",
    "drifts",
    "monitor",
    "open_sources",
    "report_from_json",
    "report_to_json",
    "segments",
    "statistics",
    "to_html",
]

__getattr__ = exports(
    __name__,
    {
        "KEEP_DAYS": "_ledger",
        "Drift": "_drift",
        "Finding": "_finding",
        "Kind": "_finding",
        "Limits": "_drift",
        "Report": "_report",
        "Segment": "_drift",
        "Sketch": "_sketch",
        "Sources": "_gather",
        "drifts": "_drift",
        "monitor": "_gather",
        "open_sources": "_sources",
        "report_from_json": "_plain",
        "report_to_json": "_plain",
        "segments": "_drift",
        "statistics": "_sketch",
        "to_html": "_page",
    },
)
