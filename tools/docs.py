"""Write the parts of the documentation that are made from the code: `python tools/docs.py`, or `--check` to compare.

`docs/cli.md` is made from the commands, `docs/errors.md` from the tree of errors, and the table and the picture of
`docs/lifecycle.md` from the table of moves.
A test does the same as `--check`, so neither can go stale.
"""

# ruff: noqa: INP001  a script
from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rung import errors
from rung.cli import rung
from rung.errors import RungError
from rung.lifecycle import MOVES, SERVED, State

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[1] / "docs"
_WIDTH = 100
_BEGIN = "<!-- made from the code by tools/docs.py -->"
_END = "<!-- end -->"
_CLI_HEAD = f"""# Commands

{_BEGIN}

Every verb takes `--help`. Verbs that tell something take `--json`: then a program reads standard output, and an error
is `{{"error": {{"code", "message", "hint"}}}}`.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | the evidence was against it: rejected by a gate, not identical, a check or a test that did not pass |
| 2 | the call is wrong: mend it and try again |
| 3 | something is not there now: wait and try the same again |
| 4 | something is broken: trying again does not help |
| 130 | stopped with Ctrl-C |
"""
_ERRORS_HEAD = f"""# Errors

{_BEGIN}

Every error of Rung has a code, a message that gives the value and the rule, and mostly a hint that says what to do.
Codes are stable: scripts may rely on them. With `--json` a command prints them on standard output, the REST API answers
them as problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), and in Python they are `error.code`,
`error.message` and `error.hint` of the classes in `rung.errors`. Whoever handles a code handles its kinds as well.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or tell which of them are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when a page is stale")
    check = parser.parse_args(arguments).check
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text() != text]
    if check:
        sys.stderr.writelines(f"{path} is stale: run python tools/docs.py\n" for path in stale)
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text)
    return 0


def pages() -> dict[Path, str]:
    """Give each page that has made parts, as it should be."""
    lifecycle = DOCS / "lifecycle.md"
    return {
        DOCS / "cli.md": cli_page(),
        DOCS / "errors.md": errors_page(),
        lifecycle: _with_moves(lifecycle.read_text()),
    }


def cli_page() -> str:
    """Give the page of all commands, from their own help."""
    parts = [_CLI_HEAD, *(_section(*found) for found in commands())]
    return "\n".join(parts)


def errors_page() -> str:
    """Give the page of all errors, from their tree."""
    return "\n".join([_ERRORS_HEAD, *(_error(found) for found in _kinds(RungError))])


def _kinds(error: type[RungError]) -> Iterator[type[RungError]]:
    """Walk the tree of errors, each kind before those below it."""
    yield error
    for name in errors.__all__:
        kind = getattr(errors, name)
        if kind.__base__ is error:
            yield from _kinds(kind)


def _error(error: type[RungError]) -> str:
    meaning = (inspect.getdoc(error) or "").partition("\n\n    >>>")[0].partition("\n\n>>>")[0]
    above = error.__base__
    kind = f" Kind of: [`{above.code}`](#{above.code})." if above is not None and issubclass(above, RungError) else ""
    return (
        f"## `{error.code}`\n\n{meaning}\n\n**What to do.** {error.remedy}\n\n"
        f"Class `{error.__name__}`; exit status {error.exit_code}.{kind}\n"
    )


def commands() -> Iterator[tuple[str, click.Context]]:
    """Walk all commands: each by its words, with a context from which its help can be made."""
    root = click.Context(rung, info_name="rung", terminal_width=_WIDTH, **rung.context_settings)
    yield "rung", root
    yield from _below("rung", root)


def _below(words: str, context: click.Context) -> Iterator[tuple[str, click.Context]]:
    group = context.command
    assert isinstance(group, click.Group)  # noqa: S101  called for groups
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101  it was listed
        inner = click.Context(command, info_name=name, parent=context, terminal_width=_WIDTH)
        yield f"{words} {name}", inner
        if isinstance(command, click.Group):
            yield from _below(f"{words} {name}", inner)


def _section(words: str, context: click.Context) -> str:
    text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"{'#' * min(words.count(' ') + 2, 3)} {words}\n\n```text\n{text}\n```\n"


def _with_moves(text: str) -> str:
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{moves_diagram()}\n{moves_table()}\n{_END}{after}"


def moves_table() -> str:
    """Give the table of moves in Markdown."""
    rows = [
        f"| `{state}` | {', '.join(f'`{to}`' for to in sorted(MOVES[state])) or 'nothing: it is over'} | "
        f"{_served(state)} |"
        for state in State
    ]
    return "\n".join(["| from | to | has a server |", "|---|---|---|", *rows]) + "\n"


def moves_diagram() -> str:
    """Give the picture of the moves in Mermaid."""
    lines = [f"    {state} --> {to}" for state in State for to in sorted(MOVES[state])]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> training", *lines, "```"]) + "\n"


def _served(state: State) -> str:
    if state is State.RETIRED:
        return "while it is kept warm"
    return "yes" if state in SERVED else "no"


if __name__ == "__main__":
    sys.exit(main())
