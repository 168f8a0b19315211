"""`rung init`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from rung.workspace import write_atomically

_SETTINGS = """\
# A workspace of Rung. Some settings, with their defaults; docs/operations.md has all of them:
# gateway_port = 4780   # consumers: http://127.0.0.1:4780/housing/v1/predict; 0 takes any free port
# control_port = 4700   # the control plane's API, loopback only; 0 takes any free port
# keep_warm_s = 86400   # seconds that a retired revision stays ready for a rollback
"""
_IGNORED = "__pycache__/\n.rung/\n.venv/\n.ipynb_checkpoints/\n"
_WORKFLOWS = {"github": ".github/workflows/rung.yml", "gitlab": ".gitlab-ci.yml"}


@click.command(epilog="Example: rung init shop --ci github && cd shop")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option(
    "--ci",
    type=click.Choice(sorted(_WORKFLOWS)),
    help="Also write its workflow: checks, tests and reviews each change, and deploys what was merged.",
)
def command(folder: Path, ci: str | None) -> None:
    """Make a workspace: a git repository with rung.toml, ruff.toml and experiments/.

    What is there already is kept, so it is safe to repeat, and to add --ci later.
    """
    from rung.checks import SETTINGS

    experiments = folder / "experiments"
    experiments.mkdir(parents=True, exist_ok=True)
    _keep_or_write(experiments / "__init__.py", '"""The services of this workspace, one package each."""\n')
    _keep_or_write(folder / "rung.toml", _SETTINGS)
    _keep_or_write(folder / ".gitignore", _IGNORED)
    _keep_or_write(folder / SETTINGS.name, SETTINGS.read_text(encoding="utf-8"))
    if ci is not None:
        _write_workflow(folder, ci)
    if shutil.which("git") is None:
        click.echo("git is not installed: trainings work, deployments need it", err=True)
    elif not (folder / ".git").exists():
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    click.echo(f"a workspace is in {folder.resolve()}; next: rung new housing --template housing")


def _write_workflow(folder: Path, ci: str) -> None:
    from rung import templates

    path = folder / _WORKFLOWS[ci]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        click.echo(f"{path} is there already, and stays as it is", err=True)
        return
    write_atomically(path, templates.workflow(ci).encode())
    click.echo(f"{path} reviews each change; see where it installs Rung from, and who may deploy (docs/reviews.md)")


def _keep_or_write(path: Path, text: str) -> None:
    if not path.exists():
        write_atomically(path, text.encode())
