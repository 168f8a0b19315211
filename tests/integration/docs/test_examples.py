"""What the documentation shows can be done: Python runs, excerpts are what the files say, commands exist."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from docs_pages import ROOT, Block, blocks, commands

from rung.cli import rung
from rung.client import Client

if TYPE_CHECKING:
    from pathlib import Path

_PYTHON = blocks("python")
_EXCERPTS = [block for block in blocks("python", "text") if block.note.startswith("from ")]
_SEPARATORS = {"&&", "||", "|", ";", "&", ">", "<"}


def _named(block: Block) -> str:
    return block.name


@pytest.mark.parametrize("block", [block for block in _PYTHON if not block.note], ids=_named)
def test_python_examples_run(block: Block, tmp_path: Path):
    script = tmp_path / "example.py"
    script.write_text(block.text)
    ended = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("block", _EXCERPTS, ids=_named)
def test_excerpts_are_in_their_files(block: Block):
    source = (ROOT / block.note.removeprefix("from ")).read_text().replace("{{service}}", "housing")
    assert block.text in source


@pytest.mark.parametrize("block", [block for block in _PYTHON if block.note == "needs a platform"], ids=_named)
def test_client_examples_fit_the_client(block: Block):
    for call in (node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)):
        method = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if method == "Client" or (getattr(getattr(call.func, "value", None), "id", "") == "client"):
            function = Client if method == "Client" else getattr(Client, method)
            given = [None] * (len(call.args) + (method != "Client"))
            inspect.signature(function).bind(*given, **{str(word.arg): None for word in call.keywords})


def test_every_python_example_is_held_by_a_test():
    notes = {block.note for block in _PYTHON if not block.note.startswith(("from ", "file "))}
    assert notes <= {"", "needs a platform", "needs a workspace"}


@pytest.mark.parametrize(("block", "line"), commands(), ids=lambda value: getattr(value, "name", None))
def test_shown_commands_exist(block: Block, line: str):
    del block
    for words in _simple_commands(line):
        if words[0] == "rung":
            _parse(rung, words)
        if words[0] == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(words[1:]) <= set(targets)
        if words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file()


@pytest.mark.parametrize("verb", rung.list_commands(click.Context(rung)))
def test_epilogs_show_commands_that_exist(verb: str):
    command = rung.get_command(click.Context(rung), verb)
    assert command is not None
    parts = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    for part in parts:
        example = str(part.epilog).removeprefix("Example: ").split(", or ", maxsplit=1)[0]
        for words in _simple_commands(example):
            if words[0] == "rung":
                _parse(rung, words)


def _simple_commands(line: str) -> list[list[str]]:
    """Cut a line of shell at `&&`, `|` and the like."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in _SEPARATORS:
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse as click does when it is typed, and run nothing; an unknown verb, option or choice raises."""
    if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
        context = click.Context(command, info_name=words[0], parent=parent)
        name, inner, rest = command.resolve_command(context, words[1:])
        assert inner is not None
        _parse(inner, [str(name), *rest], context)
        return
    with contextlib.suppress(click.exceptions.Exit):  # --help, --version
        command.make_context(words[0], words[1:], parent=parent)
