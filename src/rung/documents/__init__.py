"""Experiment documents: what a revision is to find out, before its code; what was found, from evidence; and lessons.

One Markdown file for each revision, `experiments/SERVICE/experiments/v1.m2.md`. Parsing, filling and the order of
document and code are decided purely; git and the registry are asked by thin shells. Called by `rung doc`,
`rung knowledge` and `rung check`.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.documents._document import PLANNED, Document, document_name, fill, parse, template
    from rung.documents._history import gather_history
    from rung.documents._index import MARKS, Hit, Index
    from rung.documents._library import Page, read_pages
    from rung.documents._order import History, Order, judge_order
    from rung.documents._results import results

__all__ = [
    "MARKS",
    "PLANNED",
    "Document",
    "History",
    "Hit",
    "Index",
    "Order",
    "Page",
    "document_name",
    "fill",
    "gather_history",
    "judge_order",
    "parse",
    "read_pages",
    "results",
    "template",
]

__getattr__ = exports(
    __name__,
    {
        "MARKS": "_index",
        "PLANNED": "_document",
        "Document": "_document",
        "History": "_order",
        "Hit": "_index",
        "Index": "_index",
        "Order": "_order",
        "Page": "_library",
        "document_name": "_document",
        "fill": "_document",
        "gather_history": "_history",
        "judge_order": "_order",
        "parse": "_document",
        "read_pages": "_library",
        "results": "_results",
        "template": "_document",
    },
)
