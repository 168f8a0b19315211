"""Statistics of every version of a dataset: measured in one pass, kept as JSON, added up, compared, drawn.

`rung data` measures at ingest and shows what it measured; `compare` tells what changed between two versions, or between
what a model was trained on and what production sends. Importing this package does not import polars.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.data.profile._add import add
    from rung.data.profile._change import Change
    from rung.data.profile._compare import compare, headline
    from rung.data.profile._lines import HEADER, lines
    from rung.data.profile._measure import profile
    from rung.data.profile._page import page
    from rung.data.profile._values import Column, Correlation, Numbers, Profile, Values

__all__ = [
    "HEADER",
    "Change",
    "Column",
    "Correlation",
    "Numbers",
    "Profile",
    "Values",
    "add",
    "compare",
    "headline",
    "lines",
    "page",
    "profile",
]

__getattr__ = exports(
    __name__,
    {
        "HEADER": "_lines",
        "Change": "_change",
        "Column": "_values",
        "Correlation": "_values",
        "Numbers": "_values",
        "Profile": "_values",
        "Values": "_values",
        "add": "_add",
        "compare": "_compare",
        "headline": "_compare",
        "lines": "_lines",
        "page": "_page",
        "profile": "_measure",
    },
)
