"""`rung notebook`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._duration import read as duration
from rung.cli._notebook_schedule import schedule
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day
from rung.workspace import find

if TYPE_CHECKING:
    from rung.workspace import Workspace

_HOUR_S = 3_600.0


@click.group(epilog="Example: rung notebook run housing/explore -p last_year=1998")
def command() -> None:
    """Lay down, run, schedule, show and search notebooks; a run of one is kept and compared like a training.

    SERVICE/NAME is the file experiments/SERVICE/notebooks/NAME.ipynb. Running and showing as a page need
    `pip install 'rung[notebook]'`.
    """


@command.command("new", epilog="Example: rung notebook new housing errors")
@click.argument("service")
@click.argument("name")
@json_option
def new(service: str, name: str, as_json: bool) -> None:
    """Lay down a notebook with a parameters cell, what comes in, and what goes out."""
    from rung.notebooks import lay_down

    workspace = find()
    notebook = lay_down(workspace, service, name)
    path = str(notebook.path.relative_to(workspace.root))
    if as_json:
        print_json({"notebook": str(notebook), "path": path})
    else:
        click.echo(f"{notebook} is in {path}; next:\n  rung notebook run {notebook}")


@command.command("run", epilog="Example: rung notebook run housing/explore -p last_year=1998 --time-limit 10m")
@click.argument("notebook", metavar="SERVICE/NAME")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter; JSON or text."
)
@click.option(
    "--time-limit", callback=duration, default="1h", show_default=True, help="It is ended then, as 10m or 2h."
)
@json_option
def run(notebook: str, parameters: tuple[str, ...], time_limit: float | None, as_json: bool) -> None:
    """Run a notebook in a process of its own, and keep it with its outputs, also when it fails.

    Parameters, recorded results, what it read, duration, commit and source are on record: `rung runs` lists and
    compares them beside trainings. Ctrl-C ends it; what came so far is kept.
    """
    from rung.errors import TaskError
    from rung.notebooks import executed, to_lines
    from rung.notebooks import find as find_notebook
    from rung.registry import open_registry
    from rung.training._record import new_run_id

    workspace = find()
    chosen = find_notebook(workspace, notebook)
    chosen.read().set(given := pairs(parameters))
    identity = new_run_id(chosen.service)
    code = _execute(workspace, str(chosen), given, identity, time_limit_s=time_limit or _HOUR_S, quiet=as_json)
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        record = registry.run(identity) if code in {0, TaskError.exit_code} else None
    if record is None:
        raise SystemExit(code)
    if as_json:
        print_json(record)
    elif record["status"] == "succeeded":
        click.echo(f"`rung notebook show {identity}` shows it")
    else:
        for line in to_lines(executed(workspace, record), failed_only=True):
            click.echo(line)
    if record["status"] != "succeeded":
        raise TaskError(
            f"{notebook} failed: {record['error']}", hint=f"`rung notebook show {identity}` shows all of it"
        )


@command.command("list", epilog="Example: rung notebook list housing")
@click.argument("service", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Newest runs at most.")
@json_option
def list_runs(service: str | None, limit: int, as_json: bool) -> None:
    """List the notebooks that ran, the newest first; then those that have not run."""
    from rung.notebooks import listed, notebooks
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        runs = listed(registry, service, limit=limit)
    ran = {run["source"] for run in runs}
    others = [str(notebook) for notebook in notebooks(workspace, service) if str(notebook) not in ran]
    others = others if len(runs) < limit else []  # else they may have run before
    if as_json:
        print_json({"runs": runs, "others": others})
        return
    if runs:
        header = ["RUN", "NOTEBOOK", "STATUS", "STARTED (UTC)", "SECONDS", "PARAMETERS", "RESULTS"]
        table([_row(run) for run in runs], header)
    for name in others:
        click.echo(f"{name} has not run: rung notebook run {name}")
    if not runs and not others:
        click.echo("there are no notebooks yet; `rung notebook new SERVICE NAME` lays one down")


@command.command("show", epilog="Example: rung notebook show housing-20261121-093012-1f3a07c --html explore.html")
@click.argument("run")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write it there as a page.")
@click.option("--ipynb", type=click.Path(dir_okay=False, path_type=Path), help="Write it there as a notebook.")
@json_option
def show(run: str, page: Path | None, ipynb: Path | None, as_json: bool) -> None:
    """Show a notebook that ran, with its outputs. A page loads nothing from elsewhere and runs no script."""
    from rung.notebooks import executed, executed_bytes, to_html, to_lines
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        record = registry.run(run)
    data = executed_bytes(workspace, record)
    written = {target: content for target, content in ((page, None), (ipynb, data)) if target is not None}
    for target, content in written.items():
        _write(target, to_html(data, record).encode() if content is None else content)
    if as_json:
        print_json({**record, "written": [str(target) for target in written], "notebook": json.loads(data)})
    elif written:
        click.echo(f"{run} is in {' and '.join(map(str, written))}")
    else:
        for line in to_lines(executed(workspace, record)):
            click.echo(line)


@command.command("search", epilog="Example: rung notebook search 'median price'")
@click.argument("text")
@click.option("--service", help="Only notebooks of this service.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Newest runs to look at.")
@json_option
def search(text: str, service: str | None, limit: int, as_json: bool) -> None:
    """Find notebooks that ran by words of their source and their outputs."""
    from rung.notebooks import listed
    from rung.notebooks import search as search_all
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        records = listed(registry, service, limit=limit)
    hits = list(search_all(workspace, records, text))
    if as_json:
        print_json(
            [{"run": hit.run["id"], "notebook": hit.run["source"], "cell": hit.cell, "line": hit.line} for hit in hits]
        )
        return
    if not hits:
        click.echo(f"none of the newest {len(records)} runs has {text!r}")
        return
    rows = [[hit.run["id"], hit.run["source"], str(hit.cell or ""), cut(hit.line)] for hit in hits]
    table(rows, ["RUN", "NOTEBOOK", "CELL", "LINE"])


@command.command("extract", epilog="Example: rung notebook extract housing/errors 4 --task errors_by_decade")
@click.argument("notebook", metavar="SERVICE/NAME")
@click.argument("cell")
@click.option("--task", required=True, help="Name of the function.")
@click.option("--dry-run", is_flag=True, help="Show the function, and write nothing.")
@json_option
def extract(notebook: str, cell: str, task: str, dry_run: bool, as_json: bool) -> None:
    """Turn a cell into a task of the service's training; CELL is its number or its id.

    What it takes from other cells become parameters, which name tasks; what later cells use of it is returned.
    """
    from dataclasses import asdict

    from rung.notebooks import extract as extract_cell
    from rung.notebooks import find as find_notebook
    from rung.notebooks import insert
    from rung.workspace import write_atomically

    workspace = find()
    chosen = find_notebook(workspace, notebook)
    extracted = extract_cell(chosen.read(), cell, task=task)
    main = workspace.service(chosen.service).folder / "train" / "main.py"
    if not dry_run:
        write_atomically(main, insert(main.read_text(encoding="utf-8"), extracted).encode())
    if as_json:
        print_json(asdict(extracted))
        return
    click.echo(extracted.function)
    if not dry_run:
        click.echo(f"{task} is in {main.relative_to(workspace.root)}", err=True)
    for name in extracted.inputs:
        click.echo(f"it takes {name}: extract the cell that makes it as a task of that name", err=True)
    for name in extracted.hyperparameters:
        click.echo(f"it reads hyperparameters.{name}: add it to Hyperparameters", err=True)


command.add_command(schedule)


def pairs(given: tuple[str, ...]) -> dict[str, Any]:
    """Read parameters as they are typed.

    Raises:
        CallError: One is not NAME=VALUE.
    """
    from rung.errors import CallError
    from rung.notebooks._source import parse_value

    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CallError(f"-p {text!r} is not NAME=VALUE", hint="write -p n=300")
        found[name.strip()] = parse_value(value)
    return found


def _execute(
    workspace: Workspace, notebook: str, given: dict[str, Any], run: str, *, time_limit_s: float, quiet: bool
) -> int:
    """Run it in a process of its own that gets Ctrl-C from here, and is waited for: it cleans up."""
    argv = [sys.executable, "-m", "rung.notebooks.execute", notebook, "--parameters", json.dumps(given)]
    argv += ["--time-limit", str(time_limit_s), "--run", run]
    process = subprocess.Popen(argv, cwd=workspace.root, stdout=sys.stderr if quiet else None, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        return process.wait()
    finally:
        if process.poll() is None:  # a second Ctrl-C while it cleans up
            process.kill()


def _row(run: dict[str, Any]) -> list[str]:
    return [
        run["id"],
        run["source"],
        state(run["status"]),
        time_of_day(run["started"]),
        f"{run['seconds']:.2f}",
        cut(", ".join(f"{name}={value}" for name, value in run["hyperparameters"].items()), 40),
        ", ".join(f"{name} {value:.4g}" for name, value in run["metrics"].items()),
    ]


def _write(path: Path, data: bytes) -> None:
    from rung.errors import CallError
    from rung.workspace import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise CallError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder of yours"
        ) from error
