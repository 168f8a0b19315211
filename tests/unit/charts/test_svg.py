"""Pictures: whole, of themselves, in light and dark."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from recorded_tests import ab_test, bandit

from rung.charts.figure import Curve, Figure, Panel
from rung.charts.svg import to_svg
from rung.control.course import figure_of

_NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=["A/B test", "bandit"])
def picture(request: pytest.FixtureRequest) -> str:
    return to_svg(figure_of(ab_test(looks=70) if request.param == "A/B test" else bandit()))


def test_picture_is_xml_with_words(picture: str):
    root = ET.fromstring(picture)  # noqa: S314  our own text
    told = [element.text for element in root.iter(f"{_NAMESPACE}text")]
    assert root.get("role") == "img"
    assert any("since the start (2026-11-20 08:00 UTC)" in str(text) for text in told)
    assert root.find(f"{_NAMESPACE}title") is not None


def test_picture_needs_nothing_beside_it(picture: str):
    assert picture.count("http") == 1  # the name of the format
    assert "@import" not in picture
    assert "url(#panel0)" in picture


def test_picture_follows_the_theme(picture: str):
    assert "@media (prefers-color-scheme: dark)" in picture
    assert "fill: var(--paper)" in picture


def test_everything_lies_on_the_paper(picture: str):
    root = ET.fromstring(picture)  # noqa: S314  our own text
    _, _, width, height = map(float, str(root.get("viewBox")).split())
    for element in root.iter():
        for name, most in (("x", width), ("x2", width), ("y", height), ("y2", height)):
            assert 0 <= float(element.get(name, 0)) <= most


def test_words_of_a_service_cannot_break_the_picture():
    panel = Panel(title="a < b", low=0, high=1, curves=(Curve(points=((0, 0), (1, 1)), label="<b>&"),))
    figure = Figure(title="<script>", told='"&"', x_title="x", low=0, high=1, panels=(panel,))
    root = ET.fromstring(to_svg(figure))  # noqa: S314  our own text
    assert root.findtext(f"{_NAMESPACE}title") == "<script>"
