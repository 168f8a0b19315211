"""Make one environment for each server of the comparison, from its hashed pins. Called by `run.py` and `soak.py`.

No server shares an environment with another. All have the same scikit-learn and NumPy, so that one model fits all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["BUILD", "InstallError", "make_environment", "python_of", "versions"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"
PYTHON = "3.11"
INSTALL_TIMEOUT_S = 1200
STAMP = "installed.sha256"


class InstallError(Exception):
    """An environment could not be made; the message ends with the installer's last lines."""


def make_environment(name: str) -> Path:
    """Make, or find unchanged, the environment of `peers/NAME.txt`; give the path of its Python.

    Raises:
        InstallError: uv ended with an error.
    """
    python, pins = python_of(name), HERE / "peers" / f"{name}.txt"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = python.parents[1] / STAMP
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        _uv("venv", "--quiet", "--clear", "--python", PYTHON, str(python.parents[1]))
        _install(python, "--require-hashes", "-r", str(pins))
        stamp.write_text(digest, encoding="utf-8")
    if name == "rung":  # a wheel, as its users have it, made anew: the source may have changed since the last time
        _install(python, "--no-deps", "--no-build-isolation", "--reinstall-package", "rung", str(ROOT))
    return python


def python_of(name: str) -> Path:
    """Give the path of an environment's Python."""
    return BUILD / "environments" / f"serving-{name}" / "bin" / "python"


def versions(python: Path) -> dict[str, str]:
    """List the distributions of an environment: name -> version."""
    listing = _uv("pip", "list", "--quiet", "--format", "json", "--python", str(python))
    return {entry["name"]: entry["version"] for entry in json.loads(listing)}


def _install(python: Path, *arguments: str) -> None:
    _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *arguments)


def _uv(*arguments: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise InstallError("uv is neither beside this Python nor on the PATH: install the pins of requirements/dev.txt")
    # The environment that this script runs in must not be the one that is filled.
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            [uv, *arguments], capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, env=variables, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"`uv {arguments[0]}` took more than {INSTALL_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise InstallError("\n".join(done.stderr.strip().splitlines()[-12:]) or f"uv ended with {done.returncode}")
    return done.stdout
