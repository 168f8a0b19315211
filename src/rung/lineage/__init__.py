"""What was made of what: sources, dataset versions, runs, artifacts, revisions, predictions and what came of them.

`rung lineage` and `rung why` ask it, directly or through the control plane. Importing this package imports neither
polars nor the registry.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.lineage._fold import fold
    from rung.lineage._gather import Records
    from rung.lineage._graph import Edge, Kind, Lineage, Node
    from rung.lineage._names import Asked, lineage_of
    from rung.lineage._picture import to_svg
    from rung.lineage._prediction import trace
    from rung.lineage._tree import to_lines

__all__ = ["Asked", "Edge", "Kind", "Lineage", "Node", "Records", "fold", "lineage_of", "to_lines", "to_svg", "trace"]

__getattr__ = exports(
    __name__,
    {
        "Asked": "_names",
        "Edge": "_graph",
        "Kind": "_graph",
        "Lineage": "_graph",
        "Node": "_graph",
        "Records": "_gather",
        "fold": "_fold",
        "lineage_of": "_names",
        "to_lines": "_tree",
        "to_svg": "_picture",
        "trace": "_prediction",
    },
)
