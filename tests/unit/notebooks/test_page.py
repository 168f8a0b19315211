from __future__ import annotations

import pytest

from rung.notebooks._unloading import without_loads


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://cdn.example.org/x.js">load()</script>',
        '<link rel="stylesheet" href="https://cdn.example.org/x.css">',
        "<style>@import url(https://example.org/x.css)</style>",
        '<iframe srcdoc="<p>"></iframe>',
        '<form action="https://example.org"></form>',
        '<script src="https://example.org/x.js"/>',
    ],
)
def test_elements_that_load_are_left_out(part: str):
    assert without_loads(f"<p>a{part}b</p>") == "<p>ab</p>"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('<img src="https://example.org/a.png" alt="a">', '<img alt="a">'),
        ('<img SRC=" HTTP://example.org/a.png">', "<img>"),
        ('<img src="data:image/png;base64,AA==">', '<img src="data:image/png;base64,AA==">'),
        ('<p style="background: url(https://example.org)">a</p>', "<p>a</p>"),
        ('<b onclick="x()">a</b>', "<b>a</b>"),
        ('<a href=" JavaScript:x()">a</a>', "<a>a</a>"),
        ('<a href="https://example.org">a &lt; b</a>', '<a href="https://example.org">a &lt; b</a>'),
        ("<pre>data = 1; src = 'x' &amp; y</pre>", "<pre>data = 1; src = 'x' &amp; y</pre>"),
    ],
)
def test_attributes_that_load_are_left_out_and_text_stays(given: str, kept: str):
    assert without_loads(given) == kept
