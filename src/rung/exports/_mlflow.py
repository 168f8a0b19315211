"""A revision as a model of MLflow, written without MLflow: importing that takes seconds, and this needs none of it.

The folder is what `mlflow.pyfunc.save_model(loader_module=...)` writes: no pickle, the code beside the model, pins from
the revision's lock. https://mlflow.org/docs/latest/ml/model
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rung.compute.packages import read_packages
from rung.errors import NotFoundError
from rung.exports._application import read_application
from rung.exports._contents import own_wheel, put_state
from rung.exports._export import HANDLERS, INSIDE
from rung.exports._folder import new_folder
from rung.exports._signature import signature
from rung.exports._yaml import spell_yaml
from rung.schema import Contract, read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.exports._export import Export
    from rung.schema import RouteContract

__all__ = ["Pyfunc", "write_mlflow"]

_VERSION: Final = "3.17.2"
"""Of MLflow, whose format this is; the tests load it with that one."""
_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==[^\\\s]+(?: ;[^\\]*)?", re.MULTILINE)
_NEEDED: Final = {"mlflow": "mlflow-skinny>=3.10,<4", "pandas": "pandas>=2"}
_FULL_VERSION: Final = re.compile(r"^version(?:_info)? = (\d+\.\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pyfunc:
    """A model that was written."""

    folder: Path
    route: str
    artifacts: Mapping[str, str]
    """Digests, by the name that handlers have for them."""
    packages: tuple[str, ...]
    """Debian packages that it needs, which MLflow does not install."""


def write_mlflow(export: Export, output: Path, *, route: str = "predict") -> Pyfunc:
    """Write a folder that `mlflow.pyfunc.load_model`, Spark, SageMaker and Databricks take for a model.

    Args:
        export: The revision.
        output: A folder that is not there yet, or empty.
        route: Whose handler predicts.

    Raises:
        NotFoundError: There is no such route; or Rung's own wheel, or an artifact, is gone.
        ConflictError: The folder is there, and not empty.
        CallError: It cannot be written.
        IntegrityError: Another revision whose artifact is taken is not as it was signed, or Rung's own wheel is not.
        TaskError: The application cannot be imported.
    """
    routes = Contract.from_json(export.bundle.contract).routes
    if route not in routes:
        raise NotFoundError(f"{export.name} has no route {route!r}", hint=f"its routes are {', '.join(sorted(routes))}")
    needed = read_application(export).artifacts
    with new_folder(output) as folder:
        _put_code(export, folder / "code")
        held, signed = put_state(export, needed, folder / "data" / "state")
        told = _revision(export, route, routes[route], signed)
        (folder / "data" / "revision.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        packages = read_packages(
            folder / "code" / "experiments" / export.name.service / "infrastructure" / "packages.txt"
        )
        if packages:
            (folder / "packages.txt").write_text("".join(f"{line}\n" for line in packages), encoding="utf-8")
        _put_environment(export, folder)
        example = _put_example(export, route, folder)
        model = _model(export, routes[route], python=_python(export), example=example)
        (folder / "MLmodel").write_text(spell_yaml(model), encoding="utf-8")
    return Pyfunc(folder=output, route=route, artifacts=held, packages=packages)


def _put_code(export: Export, code: Path) -> None:
    """Copy what is imported: the snapshot, the very Rung of the revision, and the loader."""
    source, hidden = export.place.source(export.name), shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, code, symlinks=True, ignore=hidden)
    wheel, _ = own_wheel(export)
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(code)
    for path in (HANDLERS, INSIDE / "rung_pyfunc.py"):
        shutil.copyfile(path, code / path.name)


def _revision(export: Export, route: str, contract: RouteContract, signed: Mapping[str, str]) -> dict[str, Any]:
    """Say what the loader must know."""
    fields, answer = read_fields(contract.instance), read_fields(contract.prediction)
    return {
        "revision": str(export.name),
        "application": f"experiments.{export.name.service}.serve.app:app",
        "route": route,
        "rows": contract.max_instances,
        "fields": fields.kinds,
        "nullable": sorted(fields.nullable),
        "outputs": [] if answer.is_open else list(answer.schemas),
        "bundles": dict(signed),
    }


def _put_environment(export: Export, folder: Path) -> None:
    """Write what must be installed, in the three forms that MLflow knows; the lock has the hashes."""
    lock, python = export.lock(), _python(export)
    pins = [found[0].strip() for found in _PIN.finditer(lock.text)]
    names = {found["name"].lower().replace("_", "-") for found in _PIN.finditer(lock.text)}
    more = [line for name, line in _NEEDED.items() if not {name, f"{name}-skinny"} & names]
    required = [*more, *pins]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in required), encoding="utf-8")
    (folder / "requirements.lock").write_text(lock.text, encoding="utf-8")
    conda = {"name": "mlflow-env", "channels": ["conda-forge"]}
    dependencies: list[Any] = [f"python={python}", "pip", {"pip": required}]
    (folder / "conda.yaml").write_text(spell_yaml({**conda, "dependencies": dependencies}), encoding="utf-8")
    virtual = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(spell_yaml(virtual), encoding="utf-8")


def _put_example(export: Export, route: str, folder: Path) -> dict[str, Any]:
    """Write an example of an input, where training kept one; say how MLflow finds it."""
    instances = export.bundle.example.get(route, {}).get("instances")
    if not instances:
        return {}
    columns = list(instances[0])
    split = {"columns": columns, "data": [[row.get(name) for name in columns] for row in instances]}
    (folder / "input_example.json").write_text(json.dumps(split), encoding="utf-8")
    (folder / "serving_input_example.json").write_text(json.dumps({"dataframe_split": split}), encoding="utf-8")
    return {
        "artifact_path": "input_example.json",
        "pandas_orient": "split",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
    }


def _model(export: Export, contract: RouteContract, *, python: str, example: dict[str, Any]) -> dict[str, Any]:
    """Give the content of the file `MLmodel`."""
    told = {name: json.dumps(columns) for name, columns in signature(contract).items() if columns}
    flavor = {
        "code": "code",
        "data": "data",
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "loader_module": "rung_pyfunc",
        "python_version": python,
        "streamable": False,
    }
    return {
        "flavors": {"python_function": flavor},
        "is_signature_from_type_hint": False,
        "metadata": {
            "rung.revision": str(export.name),
            "rung.run": export.revision.run,
            "rung.commit": export.revision.commit,
            "rung.bundle": export.verified.bundle,
            "rung.signed-by": export.verified.signed_by,
        },
        "mlflow_version": _VERSION,
        "model_uuid": uuid.uuid4().hex,
        "prompts": None,
        **({"saved_input_example_info": example} if example else {}),
        "signature": told,
        "type_hint_from_example": False,
        "utc_time_created": str(datetime.now(UTC).replace(tzinfo=None)),
    }


def _python(export: Export) -> str:
    """Give the version of Python that the revision runs with, to the patch where its environment tells it."""
    told = (export.environment().folder / "pyvenv.cfg").read_text(encoding="utf-8")
    found = _FULL_VERSION.search(told)
    return found[1] if found else export.lock().python
