"""HTML that loads nothing: attributes and elements by which a page would fetch something are left out. Pure."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import Final

__all__ = ["without_loads"]

_LOADING: Final = frozenset(
    {"src", "srcset", "poster", "background", "data", "action", "formaction", "ping", "style", "xlink:href"}
)
"""Attributes that load, or may: a style has `url(...)`."""
_LEFT_OUT: Final = frozenset({"script", "link", "meta", "base", "iframe", "object", "embed", "style", "form"})
_VOID: Final = frozenset({"link", "meta", "base", "embed"})


def without_loads(page: str) -> str:
    """Give a part of a page without what it would fetch; pictures that it holds itself (`data:`) stay.

    >>> without_loads('<p>data = 1 <img src="https://example.org/a.png" alt="a"> <a href="https://example.org">b</a>')
    '<p>data = 1 <img alt="a"> <a href="https://example.org">b</a>'
    """
    cleaned = _Cleaned()
    cleaned.feed(page)
    cleaned.close()
    return "".join(cleaned.parts)


class _Cleaned(HTMLParser):
    """Writes what it reads, without what loads."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._inside = 0
        """Of how many elements that are left out."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LEFT_OUT:
            self._inside += tag not in _VOID
        elif not self._inside:
            kept = [f' {name}="{html.escape(value or "")}"' for name, value in attrs if _is_kept(name, value or "")]
            self.parts.append(f"<{tag}{''.join(kept)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _LEFT_OUT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _LEFT_OUT:
            self._inside = max(self._inside - (tag not in _VOID), 0)
        elif not self._inside:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def _add(self, text: str) -> None:
        if not self._inside:
            self.parts.append(text)


def _is_kept(name: str, value: str) -> bool:
    if name.startswith("on"):
        return False
    if name == "href":
        return not value.strip().lower().startswith(("javascript:", "data:", "vbscript:"))
    return name not in _LOADING or (name == "src" and value.startswith("data:image/"))
