"""Notebooks of tests, written as their cells."""

from __future__ import annotations

import json

from rung.notebooks import Source


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
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": written}).encode()


def source(*cells: str) -> Source:
    return Source.parse(notebook(*cells), name="explore.ipynb")
