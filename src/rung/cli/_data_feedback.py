"""`rung data feedback`."""

from __future__ import annotations

import click

from rung.cli._terminal import json_option, print_json
from rung.workspace import find

_KINDS = ("production", "exact", "shadow", "replay", "test", "load")


@click.command("feedback", epilog="Example: rung data feedback housing")
@click.argument("service")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    default=("production",),
    show_default=True,
    type=click.Choice(_KINDS),
    help="Which requests count. Others than last time make the dataset anew.",
)
@click.option("--rebuild", is_flag=True, help="Make it anew from all that the lake has, as after a change of privacy.")
@json_option
def feedback(service: str, kinds: tuple[str, ...], *, rebuild: bool, as_json: bool) -> None:
    """Bring the dataset of what SERVICE answered up to date: one row for each instance, with what came of it.

    It is called SERVICE.predictions. What `[services.SERVICE.log]` of rung.toml drops or hashes is not in it. Outcomes
    that came late change rows, in a new version; when nothing is new, there is none.
    """
    from rung.data.feedback import refresh
    from rung.training._record import user_name

    done = refresh(
        find(),
        service,
        kinds=kinds,
        rebuild=rebuild,
        by=user_name(),
        report=(lambda _: None) if as_json else lambda line: click.echo(line, err=True),
    )
    version = done.version
    if as_json:
        print_json(
            {
                "dataset": done.dataset,
                "version": None if version is None else version.number,
                "requests": done.requests,
                "rows": None if version is None else version.rows,
                "added": 0 if version is None else version.added,
                "changed": 0 if version is None else version.changed,
                "removed": 0 if version is None else version.removed,
                "forgotten": list(done.forgotten),
            }
        )
    elif version is None:
        click.echo(f"{done.dataset} has all of the log already")
    else:
        counts = f"{version.added:,} added, {version.changed:,} changed, {version.removed:,} removed"
        click.echo(f"{version.ref}: {version.rows:,} rows ({counts})")
