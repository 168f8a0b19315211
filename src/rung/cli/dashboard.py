"""`rung dashboard`."""

from __future__ import annotations

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json


@click.command(epilog="Example: rung dashboard --no-browser")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@json_option
def command(no_browser: bool, as_json: bool) -> None:
    """Open the dashboard in a browser, logged in as you are here.

    The address that is printed opens it once, within a minute. The session lasts as long as what you are known by, half
    a day at most.
    """
    control = Control()
    ticket = control.post("/tickets")
    url = f"{control.address().url}{ticket['path']}"
    if as_json:
        print_json({"url": url, "expires_s": ticket["expires_s"]})
        return
    click.echo(url)
    if not no_browser:
        import webbrowser

        if not webbrowser.open(url):
            click.echo("there is no browser here: open the address where there is one, within a minute", err=True)
