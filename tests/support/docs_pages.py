"""The pages of the documentation, cut into what tests look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    note: str
    """The comment above it."""
    text: str

    @property
    def name(self) -> str:
        """Where it is, as `docs/lifecycle.md:12`."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Give all blocks in these languages."""
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            note=found["note"] or "",
            text=found["text"],
        )
        for page, text in ((page, page.read_text()) for page in PAGES)
        for found in _BLOCK.finditer(text)
        if found["language"] in languages
    ]


def commands() -> list[tuple[Block, str]]:
    """Give each shell command that is shown: all of `sh` blocks, those after a `$` of `console` blocks."""
    found = []
    for block in blocks("sh", "console"):
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [(block, command) for command in _whole(lines)]
    return found


def _whole(lines: list[str]) -> Iterator[str]:
    """Join lines that a quotation goes over."""
    begun = ""
    for line in lines:
        begun += line
        if begun.count("'") % 2 == 0 and begun.strip():
            yield begun
            begun = ""
        elif begun:
            begun += "\n"
