from __future__ import annotations

import pytest

from rung.errors import CallError
from rung.lineage import Asked, Edge, Kind, Lineage, Node
from rung.lineage._names import _visible, find


def node(kind: Kind, name: str, *, digest: str | None = None, service: str | None = None) -> Node:
    data = {"digest": f"sha256:{digest}"} if digest else {}
    return Node(id=f"{kind}:{name}", kind=kind, name=name, service=service, data=data)


LINEAGE = Lineage.of(
    [
        node(Kind.FILE, "data/a.csv", digest="abcdef11"),
        node(Kind.DATASET, "houses@1"),
        node(Kind.DATASET, "houses@2"),
        node(Kind.RUN, "housing.v1.m0", service="housing"),
        node(Kind.RUN, "housing-2026", service="housing"),
        node(Kind.ARTIFACT, "model", digest="abcdef22", service="housing"),
        node(Kind.REVISION, "housing.v1.m0", service="housing"),
        node(Kind.REVISION, "housing.v2.m0", service="housing"),
        node(Kind.REVISION, "reviews.v1.m0", service="reviews"),
    ],
    [Edge(source="artifact:model", target="revision:housing.v1.m0")],
)

MEANT = {
    "data/a.csv": ["file:data/a.csv"],
    "houses@2": ["dataset:houses@2"],
    "houses": ["dataset:houses@1", "dataset:houses@2"],
    "housing-2026": ["run:housing-2026"],
    "housing.v1.m0": ["revision:housing.v1.m0"],
    "housing.v1": ["revision:housing.v1.m0"],
    "housing": ["revision:housing.v1.m0", "revision:housing.v2.m0"],
    "abcdef22": ["artifact:model"],
    "sha256:abcdef1": ["file:data/a.csv"],
    "model": [],
    "hous": [],
    "abc": [],
}


@pytest.mark.parametrize(("name", "meant"), MEANT.items(), ids=MEANT.keys())
def test_names_mean_things(name: str, meant: list[str]):
    assert list(find(LINEAGE, name)) == meant


def test_beginning_of_several_digests_is_refused():
    with pytest.raises(CallError, match="abcdef is the beginning of 2 digests"):
        find(LINEAGE, "abcdef")


def test_services_that_one_may_not_see_are_left_out():
    seen = _visible(LINEAGE, lambda service: service == "reviews")
    assert {one.name for one in seen.nodes.values()} == {"data/a.csv", "houses@1", "houses@2", "reviews.v1.m0"}
    assert seen.edges == ()


def test_answer_comes_back_from_json():
    asked = Asked(name="housing.v1", focus=("revision:housing.v1.m0",), lineage=LINEAGE)
    assert Asked.from_json(asked.to_json()) == asked
