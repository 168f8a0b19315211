"""`rung data`."""

from __future__ import annotations

from importlib.util import find_spec

import click

from rung.cli._data_catalogue import list_datasets, search, show, versions
from rung.cli._data_feedback import feedback
from rung.cli._data_ingest import ingest
from rung.cli._data_rows import diff, export, head, quarantine, verify
from rung.cli._data_say import annotate, share
from rung.errors import WorkspaceError


@click.group(epilog="Example: rung data ingest sales.csv --name houses")
def command() -> None:
    """Ingest, find, describe, compare, share and export datasets."""
    if any(find_spec(package) is None for package in ("polars", "deltalake")):
        raise WorkspaceError("datasets cannot be read here", hint="pip install 'rung[data]'")


for one in (
    ingest,
    list_datasets,
    show,
    versions,
    search,
    head,
    diff,
    quarantine,
    annotate,
    share,
    export,
    verify,
    feedback,
):
    command.add_command(one)
