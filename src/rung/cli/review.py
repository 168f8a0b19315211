"""`rung review`."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from rung.cli._terminal import json_option, print_json
from rung.cli.promote import REJECTED
from rung.workspace import find


@click.command(epilog="Example: rung review housing --base origin/main --post")
@click.argument("service")
@click.option("--base", metavar="REF", default="main", show_default=True, help="What the change is to be merged into.")
@click.option("--post", "posts", is_flag=True, help="Also as a comment on the pull request of this job.")
@json_option
def command(service: str, base: str, posts: bool, as_json: bool) -> None:
    """Show what a change means for a service: schema, tests, hyperparameters, pins, hardware, metrics.

    The working tree is compared with where it branched off. Metrics are those of the newest training here, beside one
    of the base with the same settings, or the incumbent's. With --post it becomes a comment on GitHub (GITHUB_TOKEN)
    or GitLab (RUNG_GITLAB_TOKEN, or CI_JOB_TOKEN), in place of the last one. Exit status 1 when the change breaks
    what the major promises.
    """
    from rung.reviews import find_forge, gather, markdown, post
    from rung.reviews._markdown import marker

    forge = find_forge(os.environ) if posts else None
    review = gather(find(), service, base=base)
    text = markdown(review)
    url = None if forge is None else post(text, forge, marker=marker(service))
    if as_json:
        print_json({**asdict(review), "posted": url})
    else:
        click.echo(text.partition("\n\n")[2], nl=False)
        if url is not None:
            click.echo(f"posted: {url}", err=True)
    if review.breaks_promise:
        raise SystemExit(REJECTED)
