"""The verbs of the command line, with their subverbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rung.cli import rung

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Walk all verbs and their subverbs."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield (*path, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


def group(path: tuple[str, ...]) -> click.Command:
    command: click.Command = rung
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def options(path: tuple[str, ...]) -> set[str]:
    return {name for option in group(path).params for name in option.opts}
