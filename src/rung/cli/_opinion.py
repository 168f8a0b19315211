"""What `rung approve` and `rung reject` share."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control
from rung.cli._terminal import print_json, state


def give(revision: str, kind: str, *, because: str, as_json: bool) -> None:
    """Send an opinion, and tell what became of it."""
    shown: dict[str, Any] = Control().post(f"/revisions/{revision}/{kind}", {"because": because})
    if as_json:
        print_json(shown)
        return
    waiting = shown.get("approval")
    told = f"; {waiting['told']}" if waiting else ""
    click.echo(f"your {kind} of {revision} is kept; it is {state(shown['state'])}{told}")
