from __future__ import annotations

import pytest

from rung.errors import CallError
from rung.lineage import Edge, Kind, Lineage, Node


def lineage(*edges: str) -> Lineage:
    """Make one of edges as "a>b"."""
    pairs = [tuple(edge.split(">")) for edge in edges]
    names = sorted({name for pair in pairs for name in pair})
    return Lineage.of(
        [Node(id=name, kind=Kind.RUN, name=name) for name in names],
        [Edge(source=one, target=other) for one, other in pairs],
    )


def test_ancestors_are_all_that_it_was_made_of():
    found = lineage("a>b", "b>c", "x>c", "c>d")
    assert found.ancestors("c") == {"a", "b", "x"}
    assert found.ancestors("a") == set()


def test_descendants_are_all_that_was_made_of_it():
    assert lineage("a>b", "b>c", "b>d", "x>d").descendants("a") == {"b", "c", "d"}


def test_siblings_are_not_around():
    found = lineage("a>b", "a>sibling", "b>c", "other>c")
    assert found.around("b").nodes.keys() == {"a", "b", "c"}
    assert found.around("b", up=False).nodes.keys() == {"b", "c"}
    assert found.around("b", down=False).nodes.keys() == {"a", "b"}


def test_generations_count_the_longest_way():
    assert lineage("a>b", "b>c", "a>c").generations() == {"a": 0, "b": 1, "c": 2}


def test_edge_between_the_same_two_counts_once():
    assert lineage("a>b", "a>b").edges == (Edge(source="a", target="b"),)


def test_nothing_is_made_of_itself():
    with pytest.raises(CallError, match="b would be made of itself"):
        lineage("a>b", "b>c", "c>b")


def test_edges_have_two_ends():
    with pytest.raises(CallError, match="from a to b has an end that is not there"):
        Lineage.of([Node(id="a", kind=Kind.RUN, name="a")], [Edge(source="a", target="b")])


def test_two_nodes_of_one_id_are_refused():
    nodes = [Node(id="a", kind=Kind.RUN, name=name) for name in ("one", "other")]
    with pytest.raises(CallError, match="two nodes are called a"):
        Lineage.of(nodes, [])


def test_it_comes_back_from_json():
    found = lineage("a>b", "b>c")
    assert Lineage.from_json(found.to_json()) == found
