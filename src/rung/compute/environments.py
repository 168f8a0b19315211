"""The locked environments in which revisions run: one for each lock, shared, linked from uv's cache.

The control plane resolves a service's requirements once, stores the lock's text with the revision, and from then on
only installs. A build runs as a job in a process of its own, so the control plane never waits:

    environments = Environments(folder)
    environment = environments.path_if_ready(lock)  # ready? then environment.python runs the revision
    job.start(environments.command(lock, result=job.result_file))

An environment is whole when its marker is there; the marker is written last. Builders exclude each other with a lock
that uv itself holds too, so a killed builder's uv is waited for before its half-made folder is thrown away.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rung.compute import _files, _uv, local
from rung.compute._lock import Lock, resolve
from rung.compute._wheel import own_wheel
from rung.errors import EnvironmentBuildError, RungError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Environment", "Environments", "Lock", "own_wheel", "resolve"]

_MARKER = "environment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment that is whole."""

    key: str  # its folder's name: the lock, the Python, the platform and Rung's own code (if it is in it), hashed
    folder: Path
    python: Path  # run this, with PYTHONPATH on the revision's snapshot


class Environments:
    """All environments of one machine, in one folder."""

    def __init__(self, folder: Path, *, wheel: Path | None = None, with_rung: bool = True) -> None:
        """Name the folder; `wheel` is Rung's own, packed from the running package when not given.

        Without Rung an environment has the lock's packages alone: for a tool that runs beside Rung.
        """
        self.folder = folder.absolute()  # an environment's scripts hold its path
        self._given_wheel = wheel
        self._with_rung = with_rung

    @cached_property
    def _wheel(self) -> Path | None:
        """Rung's own code, packed once: what is edited later under a running control plane does not move the keys."""
        return (self._given_wheel or own_wheel(self.folder / "wheels")) if self._with_rung else None

    @property
    def _own_code(self) -> str:
        return self._wheel.parent.name if self._wheel else "without rung"

    def key(self, lock: Lock) -> str:
        """Name the environment of this lock on this machine."""
        uname = os.uname()
        parts = (lock.digest, _interpreter(lock.python), uname.sysname, uname.machine, self._own_code)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    def path_if_ready(self, lock: Lock) -> Environment | None:
        """Give the environment when it is whole; looks at two files."""
        return self.find(self.key(lock))

    def ensure(self, lock: Lock) -> Environment:
        """Build the environment unless it is whole; waits for another builder of the same one. Blocks for seconds.

        Raises:
            EnvironmentBuildError: with uv's last lines and what to do about them.
        """
        key = self.key(lock)
        if ready := self.find(key):
            return ready
        with _files.locked(self.folder / "locks" / key) as held:
            if ready := self.find(key):
                return ready
            self._build(lock, key, held)
        if ready := self.find(key):
            return ready
        raise EnvironmentBuildError(
            f"{self.folder / key} has no working python", hint="look whether uv's Python is there"
        )

    def command(self, lock: Lock, *, result: Path | None = None) -> local.Command:
        """Give the command that ensures the environment in a process of its own, for `Job.start`.

        The result, when asked for, holds `{"key", "folder", "python"}`, or `{"code", "error", "hint"}`.
        The process has this one's environment: uv's and pip's settings are there.
        """
        text = self.folder / "locks" / f"{lock.digest.removeprefix('sha256:')}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        _files.write(text, lock.text)
        own = ("--wheel", str(self._wheel)) if self._wheel else ("--without-rung",)
        options = ("--folder", str(self.folder), *own, "--lock", str(text))
        return local.Command(
            argv=(
                *(sys.executable, "-P", "-m", "rung.compute.environments", *options),
                *(("--result", str(result.absolute())) if result else ()),
            ),
            folder=Path.cwd(),
            environment=dict(os.environ),
        )

    def wheel_of(self, environment: Environment) -> Path | None:
        """Give the wheel of the Rung that is in an environment; None when there is none, or it is not kept any more."""
        marker = json.loads((environment.folder / _MARKER).read_text(encoding="utf-8"))
        return next((self.folder / "wheels" / str(marker["wheel"])).glob("*.whl"), None)

    def keys(self) -> list[str]:
        """Name every environment that is whole."""
        return sorted(marker.parent.name for marker in self.folder.glob(f"*/{_MARKER}"))

    def own_bytes(self, key: str) -> int:
        """Sum what no other environment and no cache links to."""
        states = (path.lstat() for path in (self.folder / key).rglob("*"))
        return sum(state.st_size for state in states if state.st_nlink == 1)

    def remove(self, key: str) -> None:
        """Remove an environment in which nothing runs: that is the caller's to know."""
        with _files.locked(self.folder / "locks" / key):
            (self.folder / key / _MARKER).unlink(missing_ok=True)  # first: a half-removed one is not taken for whole
            shutil.rmtree(self.folder / key, ignore_errors=True)

    def find(self, key: str) -> Environment | None:
        """Give the environment of that key when it is whole, whichever Rung made it."""
        folder = self.folder / key
        python = folder / "bin" / "python"
        whole = (folder / _MARKER).exists() and python.exists()  # a link: false when its Python was removed
        return Environment(key=key, folder=folder, python=python) if whole else None

    def _build(self, lock: Lock, key: str, held: int) -> None:
        target = self.folder / key
        (target / _MARKER).unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        python = sys.executable if _is_running(lock.python) else lock.python
        _uv.run("venv", target, "--python", python, "--no-project", online=True, hold=held)
        packages = target / "requirements.txt"
        packages.write_text("\n".join([lock.text, *self._own_requirement(), ""]), encoding="utf-8")
        self._install(packages, target, held)
        marker = {"lock": lock.digest, "python": _interpreter(lock.python), "wheel": self._own_code}
        _files.write(target / _MARKER, json.dumps(marker, indent=2) + "\n")

    def _install(self, packages: Path, target: Path, held: int) -> None:
        """Install from uv's cache alone if that has all; ask the network only when it has not."""
        arguments = ("pip", "install", "--python", target, "--no-deps", "--require-hashes", "-r", packages)
        try:
            _uv.run(*arguments, online=False, hold=held)
        except EnvironmentBuildError:
            _uv.run(*arguments, online=True, hold=held)

    def _own_requirement(self) -> list[str]:
        if self._wheel is None:
            return []
        return [f"rung @ {self._wheel.as_uri()} --hash=sha256:{hashlib.sha256(self._wheel.read_bytes()).hexdigest()}"]


def _is_running(python: str) -> bool:
    version = ".".join(map(str, sys.version_info[:3]))
    return version == python or version.startswith(f"{python}.")


def _interpreter(python: str) -> str:
    """Name the Python that a build would use: this very one when it fits."""
    version = ".".join(map(str, sys.version_info[:3])) if _is_running(python) else python
    return f"{sys.implementation.name} {version}"


def main(argv: Sequence[str] | None = None) -> int:
    """Ensure one environment: what `Environments.command` runs."""
    parser = argparse.ArgumentParser(prog="python -m rung.compute.environments", description=main.__doc__)
    for option, required in (("--folder", True), ("--lock", True), ("--result", False)):
        parser.add_argument(option, type=Path, required=required)
    own = parser.add_mutually_exclusive_group(required=True)
    own.add_argument("--wheel", type=Path)
    own.add_argument("--without-rung", action="store_true")
    options = parser.parse_args(argv)
    lock = Lock(text=options.lock.read_text(encoding="utf-8"))
    place = Environments(options.folder, wheel=options.wheel, with_rung=not options.without_rung)
    outcome, code = _outcome(place, lock)
    if options.result:
        _files.write(options.result, json.dumps(outcome) + "\n")
    return code


def _outcome(environments: Environments, lock: Lock) -> tuple[dict[str, str], int]:
    try:
        made = environments.ensure(lock)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return {"code": error.code, "error": error.message, "hint": error.hint}, error.exit_code
    return {"key": made.key, "folder": str(made.folder), "python": str(made.python)}, 0


if __name__ == "__main__":
    sys.exit(main())
