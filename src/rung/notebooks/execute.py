"""Runs a notebook in a process of its own: `python -m rung.notebooks.execute SERVICE/NAME`, in the workspace.

`rung notebook run` and the control plane start it. What it leaves: the run's folder with record, log and the executed
notebook, whole or as far as it came. The kernel is this Python, whatever kernels are installed on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from rung.errors import RungError, TaskError, WorkspaceError
from rung.notebooks import _begin
from rung.notebooks._place import find
from rung.notebooks._source import Source
from rung.notebooks._supervise import supervise
from rung.training._experiment import register
from rung.workspace import find as find_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rung.notebooks._place import Notebook
    from rung.training import RunRecord
    from rung.workspace import Workspace

__all__ = ["main", "run"]

_KERNEL: Final = "rung"
_START_S: Final = 120  # a kernel is up in two seconds; a machine that swaps takes longer


def main(arguments: list[str] | None = None) -> int:
    """Run a notebook and keep it; the exit status is that of the error, 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m rung.notebooks.execute", description=__doc__)
    parser.add_argument("notebook", help="SERVICE/NAME")
    parser.add_argument("--parameters", default="{}", help="JSON")
    parser.add_argument("--time-limit", type=float, required=True, help="seconds")
    parser.add_argument("--run", help="the id that the run gets")
    given = parser.parse_args(arguments)
    try:
        workspace = find_workspace()
        record = run(
            workspace,
            find(workspace, given.notebook),
            parameters=json.loads(given.parameters),
            time_limit_s=given.time_limit,
            run_id=given.run,
        )
        if (
            "RUNG_RUN" not in os.environ
        ):  # else the control plane keeps it, which alone has the way to registry and storage
            register(workspace, record)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"run {record.id} {record.status} in {record.seconds:.2f} s\n")
    return 0 if record.status == "succeeded" else TaskError.exit_code


def run(
    workspace: Workspace,
    notebook: Notebook,
    *,
    parameters: Mapping[str, Any],
    time_limit_s: float,
    run_id: str | None = None,
) -> RunRecord:
    """Run a notebook, with its progress on standard output; a failed one is kept, too.

    Raises:
        WorkspaceError: Jupyter's parts are not installed.
        NotFoundError: There is no such notebook.
        CallError: A parameter is unknown.
        UnavailableError: The disk does not take the record.
    """
    _require()
    source = notebook.read()
    record = _begin.begin(workspace, notebook, source, parameters=parameters, run=run_id)
    folder, started = workspace.runs / record.id, time.perf_counter()
    (folder / _begin.EXECUTED).write_bytes(notebook.path.read_bytes())
    with (folder / _begin.LOG).open("a", buffering=1, encoding="utf-8", errors="replace") as log:
        tell = _teller(log)
        tell(f"run {record.id} of {notebook}")
        error = supervise(partial(_execute, workspace, notebook, record, tell), time_limit_s=time_limit_s)
        if error is not None:
            tell(error)
    _begin.finish(workspace, record, source, seconds=time.perf_counter() - started, error=error)
    return record


def _execute(workspace: Workspace, notebook: Notebook, record: RunRecord, tell: Callable[[str], None]) -> str | None:
    """Let papermill run it; give what went wrong."""
    import papermill  # noqa: PLC0415  optional: the extra `notebook`
    from traitlets.config import Config  # noqa: PLC0415  as above

    folder = workspace.runs / record.id
    with _kernel(workspace, notebook.service, folder):
        try:
            papermill.execute_notebook(
                str(notebook.path),
                str(folder / _begin.EXECUTED),
                parameters={name: json.loads(value) for name, value in record.settings.items()},
                engine_name=_register_engine(tell),
                kernel_name=_KERNEL,
                progress_bar=False,
                cwd=str(workspace.root),
                start_timeout=_START_S,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                config=Config(KernelManager={"transport": "ipc"}),  # sockets of the owner's alone, no port
            )
        except papermill.PapermillExecutionError as error:
            return _told(folder / _begin.EXECUTED, error)
        except (RuntimeError, OSError) as error:  # the kernel died, or did not start
            return f"{type(error).__name__}: {error}"
    return None


def _told(path: Path, error: Any) -> str:
    _begin.unmark(path)
    failed = Source.parse(path.read_bytes(), name=path.name).failed
    where = f"cell {failed.number}" if failed is not None else f"cell {error.cell_index}"
    return f"{where} raised {error.ename}: {error.evalue}"


def _require() -> None:
    import importlib.util  # noqa: PLC0415  asked once

    missing = [name for name in ("papermill", "ipykernel") if importlib.util.find_spec(name) is None]
    if missing:
        raise WorkspaceError(f"{' and '.join(missing)} is not installed", hint="pip install 'rung[notebook]'")


@contextmanager
def _kernel(workspace: Workspace, service: str, folder: Path) -> Iterator[None]:
    """Offer one kernel for as long as the block lasts: this Python, telling of this run."""
    argv = [sys.executable, "-m", "rung.notebooks.kernel", str(workspace.state), service, str(folder)]
    spec = {"argv": [*argv, "-f", "{connection_file}"], "display_name": "Rung", "language": "python"}
    with tempfile.TemporaryDirectory(prefix="rung-kernel-") as jupyter:
        target = Path(jupyter) / "kernels" / _KERNEL
        target.mkdir(parents=True)
        (target / "kernel.json").write_text(json.dumps(spec))
        os.environ |= {"JUPYTER_PATH": jupyter, "JUPYTER_RUNTIME_DIR": jupyter}  # a short path: sockets lie there
        yield


def _teller(log: TextIO) -> Callable[[str], None]:
    def tell(line: str) -> None:
        for stream in (log, sys.stdout):
            stream.write(line + "\n")
            stream.flush()

    return tell


def _register_engine(tell: Callable[[str], None]) -> str:
    """Give papermill an engine that tells of each cell when it has run."""
    from papermill.engines import NBClientEngine, papermill_engines  # noqa: PLC0415  optional: the extra `notebook`

    class Engine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            complete, cells = nb_man.cell_complete, nb_man.nb.cells

            def cell_complete(cell: Any, cell_index: int | None = None, **more: Any) -> None:
                complete(cell, cell_index=cell_index, **more)
                if cell.cell_type == "code":
                    told = cell.metadata.papermill
                    is_cut_off = sys.exc_info()[0] is not None and not told.exception
                    status = "was cut off" if is_cut_off else told.status
                    tell(f"  cell {cells.index(cell) + 1} of {len(cells)}  {told.duration or 0.0:8.3f} s  {status}")

            nb_man.cell_complete = cell_complete
            return super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register(_KERNEL, Engine)
    return _KERNEL


if __name__ == "__main__":
    sys.exit(main())
