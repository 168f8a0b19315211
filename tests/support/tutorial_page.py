"""The tutorial, done as its reader does it: files laid down, lines changed, commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from docs_pages import ROOT, Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "tutorial.md"


def tutorial_blocks(*languages: str) -> list[Block]:
    """Give the page's blocks in these languages, in order."""
    return [block for block in blocks(*languages) if block.page == PAGE]


def path_lines() -> list[str]:
    """Give the lines that the page counts, in their order."""
    return [block.text.strip() for block in tutorial_blocks("sh") if re.fullmatch(r"path \d+", block.note)]


def lay_down(root: Path, *, until: str) -> None:
    """Write the page's files into a workspace, up to the one of this name."""
    for block in tutorial_blocks("python", "markdown"):
        name = block.note.removeprefix("file ")
        (root / name).write_text(block.text)
        if name.endswith(until):
            return
    raise LookupError(until)


def change(root: Path, number: int) -> None:
    """Change the line that the page changes, counted from 0."""
    block = [block for block in tutorial_blocks("text") if block.note.startswith("change ")][number]
    before, after = block.text.splitlines(keepends=True)
    path = root / block.note.removeprefix("change ")
    source = path.read_text()
    assert source.count(before) == 1, before
    path.write_text(source.replace(before, after))


def python(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a workspace."""
    return subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True, check=False, timeout=120)
