"""`rung completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(epilog="Example: rung completion bash > ~/.local/share/bash-completion/completions/rung")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes a shell complete verbs, options and choices; it goes where the shell looks for completions.

    bash: ~/.local/share/bash-completion/completions/rung; fish: ~/.config/fish/completions/rung.fish; zsh: run
    `eval "$(rung completion zsh)"` in ~/.zshrc.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click has these three
    click.echo(kind(click.Group(), {}, "rung", "_RUNG_COMPLETE").source())
