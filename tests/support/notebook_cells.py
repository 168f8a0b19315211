"""Notebooks of tests, written as their cells."""

from __future__ import annotations

import json
import re
from typing import Any

from rung.notebooks import Source

_METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def notebook(*cells: str) -> bytes:
    """Give an `.ipynb` file with these cells of code; one that begins with `# parameters` is tagged as such."""
    written = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "execution_count": None,
            "metadata": {"tags": ["parameters"]} if cell.startswith("# parameters") else {},
            "outputs": [],
            "source": cell,
        }
        for number, cell in enumerate(cells, start=1)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": _METADATA, "cells": written}).encode()


def percent(text: str) -> bytes:
    """Give an `.ipynb` file from cells as text: each begins with `# %%`, and may say `[markdown]` or its tags."""
    written = []
    for number, part in enumerate(text.split("# %%")[1:], start=1):
        said, _, source = part.partition("\n")
        found = re.search(r"tags=(\[.*\])", said)
        cell: dict[str, Any] = {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": json.loads(found[1])} if found else {},
            "source": source.strip(),
        }
        if "[markdown]" in said:
            cell |= {"cell_type": "markdown", "source": re.sub(r"^# ?", "", source.strip(), flags=re.MULTILINE)}
        else:
            cell |= {"execution_count": None, "outputs": []}
        written.append(cell)
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": _METADATA, "cells": written}).encode()


def source(*cells: str) -> Source:
    return Source.parse(notebook(*cells), name="explore.ipynb")
