"""`rung export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import json_option, print_json

if TYPE_CHECKING:
    from rung.exports import Export


_PLATFORM = "kubernetes"
"""In place of a revision."""


@click.command(
    epilog="Example: rung export housing.v1.m2 --to container --output image; rung export kubernetes --output manifests"
)
@click.argument("what", metavar="SERVICE.vN.mN|kubernetes")
@click.option(
    "--to", "form", type=click.Choice(["openapi", "container", "mlflow", "onnx"]), help="The form of a revision."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="openapi: the file; without it the document is printed. Else a folder that is not there yet, or empty.",
)
@click.option("--route", default="predict", show_default=True, help="mlflow: whose handler predicts.")
@click.option("--namespace", default="rung", show_default=True, help="kubernetes: where the platform runs.")
@click.option("--image", help="kubernetes: of the platform, best as NAME@sha256:...; made from image/ in the output.")
@click.option(
    "--gateways", type=click.IntRange(1), default=2, show_default=True, help="kubernetes: gateways for consumers."
)
@click.option("--job", metavar="COMMAND", help="kubernetes: a command to run once on the cluster, as a RayJob.")
@json_option
def command(what: str, *, form: str | None, output: Path | None, route: str, as_json: bool, **cluster: Any) -> None:
    """Take a revision elsewhere, in a form that other tools read; or the whole platform, to Kubernetes.

    openapi: what its routes take and give, as its own application says it, from its snapshot and in its environment.

    container: the context of an image: Dockerfile, locked requirements, snapshot, artifacts. Build it with any engine.

    mlflow: a pyfunc model, for whatever takes MLflow's: Spark, SageMaker, Databricks. Written without MLflow.

    onnx: the converted models that were proven equal, each with its inputs, outputs and verdict.

    A revision is verified first, as by `rung verify`. Needs no control plane.

    `rung export kubernetes` writes manifests: control plane, gateways, a KubeRay cluster that fits what the revisions
    of this workspace declare, services, probes, policies; secrets by reference only.
    """
    from rung.exports import open_export
    from rung.schema import RevisionName
    from rung.workspace import find

    if what == _PLATFORM:
        _kubernetes(output, as_json=as_json, **cluster)
        return
    if form is None:
        raise click.UsageError("--to says in which form: openapi, container, mlflow or onnx")
    export = open_export(RevisionName.parse(what), find())
    told = {"revision": what, "to": form, "signed_by": export.verified.signed_by}
    if form == "openapi":
        _openapi(export, output, told if as_json else None)
        return
    if output is None:
        raise click.UsageError(f"--to {form} needs --output: a folder that is not there yet, or empty")
    if form == "mlflow":
        _mlflow(export, output, route, told if as_json else None)
        return
    write = _container if form == "container" else _onnx
    write(export, output, told if as_json else None)


def _kubernetes(output: Path | None, *, as_json: bool, image: str | None, **given: Any) -> None:
    from rung import __version__
    from rung.exports.kubernetes import IMAGE_RAY, Cluster, declared, write_kubernetes
    from rung.workspace import find

    if output is None:
        raise click.UsageError("kubernetes needs --output: a folder that is not there yet, or empty")
    workspace = find()
    cluster = Cluster(
        image=image or f"rung:{__version__}",
        version=__version__,
        ray=IMAGE_RAY,
        specifications=declared(workspace),
        **given,
    )
    written = write_kubernetes(cluster, workspace, output)
    if as_json:
        print_json({"output": str(output), "objects": written.objects, "missing": written.missing})
        return
    click.echo(
        f"{len(written.objects)} objects are in {output}; next, with the secrets of docs/kubernetes.md in place:"
    )
    click.echo(f"  docker build --tag {cluster.image.partition('@')[0]} {output / 'image'}")
    click.echo(f"  kubectl apply --kustomize {output}")
    for sentence in written.missing:
        click.echo(f"  {click.style('rung.toml:', fg='yellow')} {sentence}")


def _mlflow(export: Export, output: Path, route: str, told: dict[str, Any] | None) -> None:
    from rung.exports import write_mlflow

    made = write_mlflow(export, output, route=route)
    if told is not None:
        more = {"output": str(output), "route": route, "artifacts": made.artifacts, "packages": made.packages}
        print_json({**told, **more})
        return
    click.echo(f"the MLflow model of {export.name} is in {output}; next, where mlflow is installed:")
    click.echo(f"  mlflow models predict --model-uri {output} --input-path {output / 'serving_input_example.json'}")
    if made.packages:
        click.echo(f"  MLflow installs no Debian packages: {', '.join(made.packages)}")


def _onnx(export: Export, output: Path, told: dict[str, Any] | None) -> None:
    from dataclasses import asdict

    from rung.exports import write_onnx

    models = write_onnx(export, output)
    if told is not None:
        print_json({**told, "output": str(output), "models": [asdict(model) for model in models]})
        return
    for model in models:
        click.echo(f"{output / model.artifact}.onnx  {model.size:,} bytes")


def _container(export: Export, output: Path, told: dict[str, Any] | None) -> None:
    from rung.exports import write_container

    made = write_container(export, output)
    if told is not None:
        print_json({**told, "output": str(output), "artifacts": made.artifacts, "packages": made.packages})
        return
    held = ", ".join(made.artifacts) or "no artifact"
    click.echo(f"the build context of {export.name} is in {output}, with {held}; next:")
    click.echo(f"  docker build --tag {str(export.name).replace('.', '-')} {output}")
    loose = [package for package in made.packages if "=" not in package]
    if loose:
        click.echo(f"  not pinned in packages.txt, so the image gets Debian's of the day: {', '.join(loose)}")


def _openapi(export: Export, output: Path | None, told: dict[str, Any] | None) -> None:
    from rung.exports import read_application

    document = read_application(export).openapi
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is not None:
        _write(output, text)
    if told is not None:
        print_json({**told, "output": output and str(output), "openapi": document})
    elif output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"the OpenAPI document of {export.name} is in {output}")


def _write(output: Path, text: str) -> None:
    from rung.errors import CallError
    from rung.workspace import write_atomically

    try:
        write_atomically(output, text.encode())
    except OSError as error:
        raise CallError(
            f"{output} cannot be written: {error.strerror}", hint="name a file in a folder of yours"
        ) from error
