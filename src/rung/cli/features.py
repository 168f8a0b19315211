"""`rung features`."""

from __future__ import annotations

import click

from rung.cli._features_served import get, verify
from rung.cli._features_views import forget, list_views, materialize, show


@click.group(epilog="Example: rung features materialize house_stats && rung features get house_stats 4711")
def command() -> None:
    """List and materialise features, read what is served, verify what was."""


for one in (list_views, show, materialize, get, verify, forget):
    command.add_command(one)
