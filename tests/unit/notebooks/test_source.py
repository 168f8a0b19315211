from __future__ import annotations

import json

import pytest
from notebook_cells import notebook, source

from rung.errors import CallError
from rung.notebooks import Source

PARAMETERS = "# parameters\nn = 3\nname: str = 'a'\nwhen = date.today()"


def test_parameters_are_what_the_tagged_cell_sets():
    assert source("import rung", PARAMETERS).parameters == {"n": 3, "name": "a", "when": None}


def test_given_parameters_stand_before_the_notebooks_own():
    assert source(PARAMETERS).set({"n": 5}) == {"n": 5, "name": "a", "when": None}


def test_unknown_parameter_is_refused_with_those_there_are():
    with pytest.raises(CallError, match="no parameter 'm': they are n, name, when"):
        source(PARAMETERS).set({"m": 5})


def test_notebook_without_parameters_takes_none():
    with pytest.raises(CallError, match="tag a cell with 'parameters'"):
        source("print(1)").set({"n": 5})


def test_digest_is_of_what_is_written_and_not_of_outputs():
    written = json.loads(notebook("1 + 1"))
    written["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["2\n"]}]
    ran = Source.parse(json.dumps(written).encode(), name="ran")
    assert ran.digest == source("1 + 1").digest != source("1 + 2").digest
    assert ran.cells[0].text == "2\n"


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"nbformat": 3, "worksheets": []}', b'{"nbformat": 4, "cells": [{}]}', b"[" * 100_000],
    ids=["nothing", "list", "empty", "format 3", "cell without kind", "deep"],
)
def test_what_is_no_notebook_is_refused(data: bytes):
    with pytest.raises(CallError, match="notebook"):
        Source.parse(data, name="broken.ipynb")
