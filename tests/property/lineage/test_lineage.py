"""Random lineages: both ways say the same, nothing is made of itself, and folding and drawing keep the order."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rung.lineage import Edge, Kind, Lineage, Node, fold, to_lines
from rung.lineage._layout import lay_out


@st.composite
def lineages(draw: st.DrawFn) -> Lineage:
    """Edges lead from lower to higher numbers, so there is no cycle."""
    count = draw(st.integers(1, 24))
    kinds = draw(st.lists(st.sampled_from([Kind.DATASET, Kind.RUN, Kind.ARTIFACT]), min_size=count, max_size=count))
    nodes = [Node(id=f"n{place}", kind=kind, name=f"n{place}", time=f"{place:04}") for place, kind in enumerate(kinds)]
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=60))
    edges = [Edge(source=f"n{min(pair)}", target=f"n{max(pair)}") for pair in pairs if pair[0] != pair[1]]
    return Lineage.of(nodes, edges)


@given(lineages())
def test_up_and_down_are_inverse(lineage: Lineage):
    up = {(one, other) for other in lineage.nodes for one in lineage.ancestors(other)}
    down = {(one, other) for one in lineage.nodes for other in lineage.descendants(one)}
    assert up == down


@given(lineages())
def test_nothing_is_its_own_ancestor(lineage: Lineage):
    assert all(name not in lineage.ancestors(name) for name in lineage.nodes)


@given(lineages())
def test_around_holds_what_is_up_and_down(lineage: Lineage):
    name = next(iter(lineage.nodes))
    around = lineage.around(name)
    assert around.nodes.keys() == {name} | lineage.ancestors(name) | lineage.descendants(name)
    assert around.ancestors(name) == lineage.ancestors(name)


@given(lineages(), st.integers(2, 4))
def test_folding_keeps_ways_between_what_stays(lineage: Lineage, most: int):
    kept = [name for name in lineage.nodes if int(name[1:]) % 5 == 0]
    folded = fold(lineage, kept, most=most)
    assert set(kept) <= folded.nodes.keys()
    for name in folded.nodes.keys() & lineage.nodes.keys():
        assert lineage.descendants(name) & folded.nodes.keys() <= folded.descendants(name)
    stood_for = [inner for node in folded.nodes.values() for inner in node.stands_for]
    assert sorted(stood_for + [name for name in folded.nodes if name in lineage.nodes]) == sorted(lineage.nodes)


@given(lineages())
def test_what_was_made_lies_right(lineage: Lineage):
    layout = lay_out(lineage)
    assert all(layout.places[edge.source][0] < layout.places[edge.target][0] for edge in lineage.edges)
    taken: dict[int, list[float]] = {}
    for layer, height in layout.places.values():
        taken.setdefault(layer, []).append(height)
    for heights in taken.values():
        ordered = sorted(heights)
        assert all(lower - upper >= 1 - 1e-9 for upper, lower in itertools.pairwise(ordered))


@given(lineages())
def test_tree_names_all_that_it_was_made_of(lineage: Lineage):
    name = f"n{len(lineage.nodes) - 1}"
    told = {line.name for line in to_lines(lineage, [name], down=False)}
    assert lineage.ancestors(name) <= told
