"""`rung card`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rung.cli._terminal import json_option, print_json


@click.command(epilog="Example: rung card housing.v1.m2 --format cyclonedx --output housing.v1.m2.cdx.json")
@click.argument("revision", metavar="SERVICE.vN.mN")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "cyclonedx"]),
    default="markdown",
    show_default=True,
    help="A model card for people, or a bill of materials for programs (CycloneDX 1.6).",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, in place of printing.")
@json_option
def command(revision: str, *, form: str, output: Path | None, as_json: bool) -> None:
    """Tell all that is on record of a revision: its model card, or its bill of materials.

    Purpose, owners, data with digests and licences, packages, metrics beside the reference's, groups, what matters to
    the model, the evidence of every gate, limits. Needs no control plane; the same record makes the same bytes.
    """
    from rung.cards import bill_of_materials, gather, model_card
    from rung.errors import CallError
    from rung.registry import open_registry
    from rung.schema import RevisionName
    from rung.workspace import find, write_atomically

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        facts = gather(RevisionName.parse(revision), registry=registry, workspace=workspace)
    bill = bill_of_materials(facts) if form == "cyclonedx" else None
    text = model_card(facts) if bill is None else json.dumps(bill, indent=2, ensure_ascii=False) + "\n"
    if output is not None:
        try:
            write_atomically(output, text.encode())
        except OSError as error:
            raise CallError(
                f"{output} cannot be written: {error.strerror}", hint="name a file in a folder of yours"
            ) from error
    if as_json:
        told: dict[str, Any] = {"revision": revision, "format": form, "output": output and str(output)}
        print_json({**told, "card": text} if bill is None else {**told, "bill": bill})
    elif output is not None:
        click.echo(f"the {'model card' if bill is None else 'bill of materials'} of {revision} is in {output}")
    else:
        click.echo(text, nl=False)
