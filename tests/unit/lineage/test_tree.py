from __future__ import annotations

from rung.lineage import Edge, Kind, Lineage, Node, to_lines


def node(name: str, kind: Kind, told: str = "") -> Node:
    return Node(id=name, kind=kind, name=name, told=told)


LINEAGE = Lineage.of(
    [
        node("houses@1", Kind.DATASET, "100 rows"),
        node("run", Kind.RUN),
        node("model", Kind.ARTIFACT),
        node("split", Kind.ARTIFACT),
        node("housing.v1.m0", Kind.REVISION, "candidate"),
    ],
    [
        Edge(source="houses@1", target="run"),
        Edge(source="run", target="model"),
        Edge(source="run", target="split"),
        Edge(source="model", target="housing.v1.m0"),
        Edge(source="split", target="housing.v1.m0"),
    ],
)


def test_tree_goes_up():
    assert list(map(str, to_lines(LINEAGE, ["housing.v1.m0"]))) == [
        "housing.v1.m0  revision, candidate",
        "  made of",
        "  ├─ model  artifact",
        "  │  └─ run  run",
        "  │     └─ houses@1  dataset, 100 rows",
        "  └─ split  artifact",
        "     └─ run  see above",
        "  went into nothing that is on record",
    ]


def test_tree_goes_down_alone():
    lines = list(map(str, to_lines(LINEAGE, ["run"], up=False)))
    assert lines[:3] == ["run  run", "  went into", "  ├─ model  artifact"]
    assert "houses@1" not in "".join(lines)
