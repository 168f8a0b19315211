"""The programs that are compared: what each one needs in its folder, and the command that runs each workload.

Where a tool has a setting that makes it faster at the same work, it is set. Telemetry is off.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import chains
import rung_workspace
from program import SOURCES, Place, Program, call, write

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PROGRAMS"]

KEDRO_PROJECT = """\
[tool.kedro]
package_name = "bench"
project_name = "bench"
kedro_init_version = "1.7.0"
source_dir = "src"
"""
# The outputs of all tasks, whatever their names; the figures in a form that a person can read.
KEDRO_CATALOG = """\
"{task}":
  type: pickle.PickleDataset
  filepath: kept/{task}.pickle
figures:
  type: json.JSONDataset
  filepath: kept/figures.json
"""


def _simple(file: str) -> Callable[[Place, int], tuple[str, ...]]:
    return lambda place, seed: (str(place.python), file, *place.workload.arguments, str(seed))


def _prepare_metaflow(place: Place) -> None:
    if place.workload.tasks:
        write(place.folder / "metaflow_chain.py", chains.metaflow_chain(place.workload.tasks))


def _metaflow(place: Place, seed: int) -> tuple[str, ...]:
    file = "metaflow_chain.py" if place.workload.tasks else "metaflow_real.py"
    return (str(place.python), file, "--no-pylint", "run", "--seed", str(seed))


def _prepare_hamilton(place: Place) -> None:
    if place.workload.tasks:
        write(place.folder / "hamilton_chain.py", chains.hamilton_chain(place.workload.tasks))


def _hamilton(place: Place, seed: int) -> tuple[str, ...]:
    tasks = place.workload.tasks
    wanted = ("hamilton_chain", f"task_{tasks - 1}") if tasks else ("hamilton_real", "figures")
    return (str(place.python), "hamilton_run.py", *wanted, str(seed))


def _prepare_dvc(place: Place) -> None:
    tasks = place.workload.tasks
    write(place.folder / "dvc.yaml", chains.dvc_chain(tasks) if tasks else chains.dvc_real())
    call(place, "git", "init", "--quiet")
    call(place, place.script("dvc"), "init", "--quiet")
    for setting in ("analytics", "check_update"):
        call(place, place.script("dvc"), "config", f"core.{setting}", "false")


def _before_dvc(place: Place, seed: int) -> None:
    write(place.folder / "params.yaml", f"seed: {seed}\n")


def _prepare_dagster(place: Place) -> None:
    write(place.folder / "home" / "dagster.yaml", "telemetry:\n  enabled: false\n")


def _prepare_kedro(place: Place) -> None:
    package = place.folder / "src" / "bench"
    package.mkdir(parents=True)
    write(package / "__init__.py", "")
    write(package / "settings.py", "")
    shutil.copy(SOURCES / "kedro_registry.py", package / "pipeline_registry.py")
    shutil.move(place.folder / "workload.py", place.folder / "src" / "workload.py")
    write(place.folder / "pyproject.toml", KEDRO_PROJECT)
    write(place.folder / "conf" / "local" / "credentials.yml", "{}\n")
    write(place.folder / "conf" / "base" / "parameters.yml", "seed: 0\n")
    write(place.folder / "conf" / "base" / "catalog.yml", KEDRO_CATALOG)


def _kedro(place: Place, seed: int) -> tuple[str, ...]:
    tasks = place.workload.tasks
    name = f"noop_{tasks}" if tasks else "__default__"
    return (place.script("kedro"), "run", "--pipeline", name, "--params", f"seed={seed}")


def _prepare_zenml(place: Place) -> None:
    call(place, place.script("zenml"), "init")


PROGRAMS = (
    Program(
        name="plain",
        title="plain Python + joblib",
        distribution="joblib",
        cached=False,
        files=("plain.py",),
        command=_simple("plain.py"),
    ),
    Program(
        name="rung",
        title="Rung",
        distribution="rung",
        cached=True,
        files=(),
        command=rung_workspace.command,
        prepare=rung_workspace.prepare,
    ),
    Program(
        name="hamilton",
        title="Hamilton",
        distribution="apache-hamilton",
        cached=True,
        files=("hamilton_run.py", "hamilton_real.py"),
        command=_hamilton,
        # As installed, every library that it has an extension for is imported at start.
        variables={"HAMILTON_TELEMETRY_ENABLED": "false", "HAMILTON_AUTOLOAD_EXTENSIONS": "0"},
        prepare=_prepare_hamilton,
    ),
    Program(
        name="kedro",
        title="Kedro",
        distribution="kedro",
        cached=False,
        files=(),
        command=_kedro,
        variables={"KEDRO_DISABLE_TELEMETRY": "1"},
        prepare=_prepare_kedro,
    ),
    Program(
        name="dvc",
        title="DVC",
        distribution="dvc",
        cached=True,
        files=("dvc_stage.py",),
        command=lambda place, _seed: (place.script("dvc"), "repro", "--quiet"),
        variables={
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": "{folder}/state/global",
            "DVC_SYSTEM_CONFIG_DIR": "{folder}/state/system",
            "DVC_SITE_CACHE_DIR": "{folder}/state/site",
        },
        prepare=_prepare_dvc,
        before=_before_dvc,
    ),
    Program(
        name="mlflow",
        title="MLflow, logging alone",
        distribution="mlflow",
        cached=False,
        files=("mlflow_logging.py",),
        command=_simple("mlflow_logging.py"),
        variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
    ),
    Program(
        name="metaflow",
        title="Metaflow",
        distribution="metaflow",
        cached=False,
        files=("metaflow_real.py",),
        command=_metaflow,
        variables={
            "METAFLOW_HOME": "{folder}/state",
            "METAFLOW_DEFAULT_EVENT_LOGGER": "nullSidecarLogger",
            "METAFLOW_DEFAULT_MONITOR": "nullSidecarMonitor",
        },
        prepare=_prepare_metaflow,
    ),
    Program(
        name="dagster",
        title="Dagster, in process",
        distribution="dagster",
        cached=False,
        files=("dagster_assets.py",),
        command=_simple("dagster_assets.py"),
        variables={"DAGSTER_HOME": "{folder}/home", "DAGSTER_DISABLE_TELEMETRY": "1"},
        prepare=_prepare_dagster,
    ),
    Program(
        name="zenml",
        title="ZenML",
        distribution="zenml",
        cached=True,
        files=("zenml_pipeline.py",),
        command=_simple("zenml_pipeline.py"),
        variables={
            "ZENML_CONFIG_PATH": "{folder}/state",
            "ZENML_ANALYTICS_OPT_IN": "false",
            "AUTO_OPEN_DASHBOARD": "false",
        },
        prepare=_prepare_zenml,
    ),
    Program(
        name="prefect",
        title="Prefect",
        distribution="prefect",
        cached=True,
        files=("prefect_flow.py",),
        command=_simple("prefect_flow.py"),
        variables={"PREFECT_HOME": "{folder}/state", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
    ),
)
