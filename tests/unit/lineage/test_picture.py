from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

from rung.lineage import Edge, Kind, Lineage, Node, fold, to_svg

SVG = "{http://www.w3.org/2000/svg}"


def history(versions: int, runs: int) -> Lineage:
    nodes = [Node(id=f"houses@{number}", kind=Kind.DATASET, name=f"houses@{number}") for number in range(versions)]
    edges = [Edge(source=f"houses@{number}", target=f"houses@{number + 1}") for number in range(versions - 1)]
    for run in range(runs):
        nodes += [Node(id=f"r{run}", kind=Kind.RUN, name=f"r{run}"), Node(id=f"a{run}", kind=Kind.ARTIFACT, name="m")]
        edges.append(Edge(source=f"houses@{run * (versions - 1) // runs}", target=f"r{run}"))
        edges.append(Edge(source=f"r{run}", target=f"a{run}"))
    return Lineage.of(nodes, edges)


def test_picture_needs_nothing_beside_it():
    lineage = Lineage.of([Node(id="a", kind=Kind.FILE, name="<data>&co.csv", told="1 row")], [])
    text = to_svg(lineage, ["a"], title="Lineage of <data>")
    root = ET.fromstring(text)  # noqa: S314  of our own making
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<data>&co.csv" in {element.text for element in root.iter(f"{SVG}text")}
    assert [element.get("class") for element in root.iter(f"{SVG}g")] == ["focus"]


def test_two_hundred_boxes_do_not_overlap():
    root = ET.fromstring(to_svg(history(40, 80), title="all"))  # noqa: S314  of our own making
    boxes = [element for element in root.iter(f"{SVG}rect") if element.get("class") == "box"]
    columns: dict[float, list[float]] = {}
    for box in boxes:
        columns.setdefault(float(box.get("x", "")), []).append(float(box.get("y", "")))
    assert len(boxes) == 200
    for heights in columns.values():
        ordered = sorted(heights)
        assert all(lower - upper >= 44 for upper, lower in itertools.pairwise(ordered))
    assert max(float(box.get("x", "")) + 236 for box in boxes) < float(root.get("width", ""))
    assert max(max(heights) + 44 for heights in columns.values()) < float(root.get("height", ""))


def test_folded_boxes_look_like_several():
    text = to_svg(fold(history(2, 50)), title="folded")
    assert "45 more runs" in text
    assert len(text) < 20_000
