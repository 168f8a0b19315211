from __future__ import annotations

from rung.lineage import Edge, Kind, Lineage, Node
from rung.lineage._layout import lay_out


def lineage(*edges: str) -> Lineage:
    pairs = [tuple(edge.split(">")) for edge in edges]
    names = sorted({name for pair in pairs for name in pair})
    return Lineage.of(
        [Node(id=name, kind=Kind.RUN, name=name) for name in names],
        [Edge(source=one, target=other) for one, other in pairs],
    )


def test_chain_is_a_straight_line():
    places = lay_out(lineage("a>b", "b>c")).places
    assert places == {"a": (0, 0.0), "b": (1, 0.0), "c": (2, 0.0)}


def test_late_input_lies_beside_what_it_went_into():
    places = lay_out(lineage("a>b", "b>c", "late>c")).places
    assert places["late"][0] == places["b"][0]


def test_long_edge_passes_between_the_boxes():
    layout = lay_out(lineage("a>b", "b>c", "a>c"))
    (_, passed, _) = layout.ways["a", "c"]
    assert passed[0] == 1
    assert passed[1] != layout.places["b"][1]


def test_edges_that_need_not_cross_do_not():
    places = lay_out(lineage("a>y", "b>x", "a>y2", "b>x2")).places
    above, below = sorted("ab", key=lambda name: places[name][1])
    of = {"a": ("y", "y2"), "b": ("x", "x2")}
    assert max(places[name][1] for name in of[above]) < min(places[name][1] for name in of[below])


def test_nothing_takes_no_room():
    assert lay_out(Lineage({}, ())).layers == 0
