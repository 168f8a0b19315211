"""Notebooks: laid down, run as runs that are compared beside trainings, kept with their outputs, shown, searched.

`rung notebook` calls it, the control plane for those that run by a schedule; inside notebooks and scripts `rung.load`,
`rung.runs` and `rung.record` are its functions. Importing this package imports nothing of Jupyter.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.notebooks._begin import cut_off
    from rung.notebooks._extract import Extracted, extract, insert
    from rung.notebooks._gallery import Hit, executed, executed_bytes, listed, search
    from rung.notebooks._page import to_html
    from rung.notebooks._place import Notebook, find, lay_down, notebooks
    from rung.notebooks._service import Begun, begin_service
    from rung.notebooks._source import Cell, Source
    from rung.notebooks._text import to_lines

__all__ = [
    "Begun",
    "Cell",
    "Extracted",
    "Hit",
    "Notebook",
    "Source",
    "begin_service",
    "cut_off",
    "executed",
    "executed_bytes",
    "extract",
    "find",
    "insert",
    "lay_down",
    "listed",
    "notebooks",
    "search",
    "to_html",
    "to_lines",
]

__getattr__ = exports(
    __name__,
    {
        "Begun": "_service",
        "Cell": "_source",
        "Extracted": "_extract",
        "Hit": "_gallery",
        "Notebook": "_place",
        "Source": "_source",
        "begin_service": "_service",
        "cut_off": "_begin",
        "executed": "_gallery",
        "executed_bytes": "_gallery",
        "extract": "_extract",
        "find": "_place",
        "insert": "_extract",
        "lay_down": "_place",
        "listed": "_gallery",
        "notebooks": "_place",
        "search": "_gallery",
        "to_html": "_page",
        "to_lines": "_text",
    },
)
