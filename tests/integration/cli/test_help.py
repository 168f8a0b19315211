"""`rung --help` and the help of every verb: fast, complete, with an example."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from verbs import commands, group, options

from rung.cli import rung

_HEAVY = ("alembic", "fastapi", "httpx2", "numpy", "polars", "pydantic", "scipy", "sqlalchemy", "structlog", "uvicorn")
_IMPORTED = """
import json, sys
sys.argv = {words!r}
from rung.cli import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
"""


@pytest.mark.parametrize("path", list(commands(rung)), ids=" ".join)
def test_help_explains_with_an_example(path: tuple[str, ...]):
    command: click.Command | None = rung
    context = click.Context(rung, info_name="rung")
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(context, name)
        assert command is not None
        context = click.Context(command, parent=context, info_name=name)
    assert command is not None
    text = " ".join(command.get_help(context).split())
    assert f"Usage: rung {' '.join(path)}" in text
    assert f"Example: rung {' '.join(path)}" in text or isinstance(command, click.Group)
    assert f"Example: rung {path[0]}" in text
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_every_verb_has_json_or_prints_nothing_to_parse():
    without = {
        path for path in commands(rung) if not isinstance(group(path), click.Group) and "--json" not in options(path)
    }
    # these make something, stop something, stay until stopped, or print pytest's report or a script
    assert without == {("completion",), ("init",), ("test",), ("down",), ("gateway", "run")}


def test_help_imports_nothing_heavy():
    code = _IMPORTED.format(words=["rung", "--help"])
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = json.loads(ended.stderr)
    assert "rollback" in ended.stdout
    assert "click" in imported
    assert not set(_HEAVY) & set(imported)


def test_module_is_the_command():
    ended = subprocess.run([sys.executable, "-m", "rung.cli", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("rung, version ")
