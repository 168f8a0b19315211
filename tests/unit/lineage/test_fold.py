from __future__ import annotations

from rung.lineage import Edge, Kind, Lineage, Node, fold


def node(name: str, kind: Kind = Kind.RUN, time: str = "") -> Node:
    return Node(id=name, kind=kind, name=name, time=time or None)


def runs(count: int) -> Lineage:
    """A dataset that many runs read, each with one artifact; the fourth was deployed."""
    nodes = [node("houses@1", Kind.DATASET), node("m0", Kind.REVISION)]
    edges = [Edge(source="a3", target="m0")]
    for place in range(count):
        nodes += [node(f"r{place}", time=f"2026-01-{place + 1:02}"), node(f"a{place}", Kind.ARTIFACT)]
        edges += [Edge(source="houses@1", target=f"r{place}"), Edge(source=f"r{place}", target=f"a{place}")]
    return Lineage.of(nodes, edges)


def test_few_are_shown_as_they_are():
    assert fold(runs(6)) == runs(6)


def test_of_many_the_newest_and_the_deployed_are_shown():
    found = fold(runs(10), most=4)
    shown = [one.name for one in found.nodes.values() if one.kind is Kind.RUN]
    assert sorted(shown) == ["7 more runs", "r3", "r8", "r9"]
    assert "m0" in found.descendants("houses@1")


def test_what_came_of_the_folded_is_folded_too():
    found = fold(runs(30), most=4)
    artifacts = sorted(one.name for one in found.nodes.values() if one.kind is Kind.ARTIFACT)
    assert artifacts[0] == "24 more artifacts"
    assert len(artifacts) == 3 + 4


def test_kept_ones_are_shown():
    assert "r0" in fold(runs(30), ["r0"], most=4).nodes


def test_folded_ones_say_what_they_stand_for():
    folded = next(one for one in fold(runs(10), most=4).nodes.values() if one.is_folded and one.kind is Kind.RUN)
    assert sorted(folded.stands_for) == ["r0", "r1", "r2", "r4", "r5", "r6", "r7"]
    assert folded.told == "2026-01-01 to 2026-01-08"


def test_versions_that_only_go_on_are_put_together():
    nodes = [node(f"houses@{number}", Kind.DATASET, f"202{number}-01-01") for number in range(1, 10)]
    edges = [Edge(source=f"houses@{number}", target=f"houses@{number + 1}") for number in range(1, 9)]
    found = fold(Lineage.of([*nodes, node("r")], [*edges, Edge(source="houses@9", target="r")]), most=3)
    assert [one.name for one in found.nodes.values()] == ["houses@9", "r", "8 more versions"]


def test_version_that_was_read_stays_apart():
    nodes = [node(f"houses@{number}", Kind.DATASET) for number in range(1, 10)]
    edges = [Edge(source=f"houses@{number}", target=f"houses@{number + 1}") for number in range(1, 9)]
    found = fold(Lineage.of([*nodes, node("r")], [*edges, Edge(source="houses@5", target="r")]), most=3)
    assert {"houses@5", "houses@9"} <= found.nodes.keys()
    assert found.ancestors("r") == {"houses@5", "more:houses@1"}
