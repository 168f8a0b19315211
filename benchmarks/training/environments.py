"""Make one environment for each program of the comparison, from its hashed pins. Called by `run.py`.

No program shares an environment with another: what one of them installs can neither slow nor help the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["InstallError", "make_environment", "python_of", "versions"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = "3.11"
INSTALL_TIMEOUT = 1200  # seconds; the largest has more than a hundred distributions
STAMP = "installed.sha256"


class InstallError(Exception):
    """An environment could not be made; the message ends with the installer's last lines."""


def make_environment(name: str, folder: Path) -> Path:
    """Make, or find unchanged, the environment of the program `name` in `folder`; give the path of its Python.

    Raises:
        InstallError: uv ended with an error.
    """
    pins = _pins(name)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pins)).hexdigest()
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        _uv("venv", "--quiet", "--clear", "--python", PYTHON, str(folder))
        _install(folder, "--require-hashes", *(part for path in pins for part in ("-r", str(path))))
        stamp.write_text(digest, encoding="utf-8")
    if name == "rung":  # a wheel, as its users have it, made anew: the source may have changed since the last time
        _install(folder, "--no-deps", "--no-build-isolation", "--reinstall-package", "rung", str(ROOT))
    return python_of(folder)


def python_of(folder: Path) -> Path:
    """Give the path of an environment's Python."""
    return folder / "bin" / "python"


def versions(python: Path) -> dict[str, str]:
    """List the distributions of an environment: name -> version."""
    listing = _uv("pip", "list", "--quiet", "--format", "json", "--python", str(python))
    return {entry["name"]: entry["version"] for entry in json.loads(listing)}


def _pins(name: str) -> list[Path]:
    if name == "rung":  # all of Rung, with its registry, and scikit-learn: the other tools keep a database too
        return [ROOT / "requirements" / "demo.txt"]
    return [HERE / "peers" / f"{name}.txt"]


def _install(folder: Path, *arguments: str) -> None:
    _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python_of(folder)), *arguments)


def _uv(*arguments: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise InstallError("uv is neither beside this Python nor on the PATH: install the pins of requirements/dev.txt")
    command = [uv, *arguments]
    # The environment that this script runs in must not be the one that is filled.
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, env=variables, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"`uv {arguments[0]}` took more than {INSTALL_TIMEOUT} s") from error
    if done.returncode != 0:
        raise InstallError("\n".join(done.stderr.strip().splitlines()[-12:]) or f"uv ended with {done.returncode}")
    return done.stdout
