"""Turns a service's requirements into a lock: every package with its version and the hashes of its files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rung.compute import _uv
from rung.compute.installed import installed_environment
from rung.errors import EnvironmentBuildError, WorkspaceError

__all__ = ["Lock", "resolve"]

RUNNING_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_HEADER = "# Python "
_INDEX_OPTION = re.compile(r"\s*(-i|-f|--index-url|--extra-index-url|--find-links)\b")
_EXTRA = re.compile(r";.*\bextra\s*==")
# name[extra]==version or name @ https://..., a marker perhaps, then hashes; nothing that only this machine knows
_ENTRY = re.compile(
    r"[\w.-]+(\[[\w.,-]+\])?( @ https://[^\s@]+|==\S+)(\s*;[^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a revision's environment is made of; the text is stored with the revision and says all."""

    text: str  # a requirements file with hashes; the first line names the Python

    @property
    def python(self) -> str:
        """Give the Python it was made for, as `3.12` or `3.12.4`."""
        first = self.text.partition("\n")[0]
        if not first.startswith(_HEADER):
            raise WorkspaceError(f"a lock begins with '{_HEADER}...', this one with {first[:40]!r}", hint="lock again")
        return first.removeprefix(_HEADER).strip()

    @property
    def digest(self) -> str:
        """Give `sha256:` and the hash of the text."""
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


def resolve(requirements: Path, *, python: str = RUNNING_PYTHON) -> Lock:
    """Choose a version of everything that the requirements and Rung itself need, for this platform.

    What the running interpreter has is preferred where it fits: it is in uv's cache and known to work. The text names
    no index. Takes up to some seconds, and the network unless uv's cache is warm.

    Raises:
        WorkspaceError: the file is missing, or names an index or something that only this machine has.
        EnvironmentBuildError: no choice fits, or neither the network nor the cache has it.
    """
    _check(requirements)
    with tempfile.TemporaryDirectory(prefix="rung-lock-") as place:
        base, out = Path(place, "rung.in"), Path(place, "lock.txt")
        base.write_text("\n".join(_base_requirements()) + "\n", encoding="utf-8")
        preferences = "\n".join(_installed_pins()) + "\n"
        out.write_text(preferences, encoding="utf-8")  # an existing output file is how uv takes preferences
        _compile(requirements.absolute(), base, out, python)
        text = out.read_text(encoding="utf-8")
    _check_entries(text)
    return Lock(text=f"{_HEADER}{python}\n{text}")


def _compile(requirements: Path, base: Path, out: Path, python: str) -> None:
    arguments = (
        *("pip", "compile", requirements, base, "--output-file", out, "--python-version", python, "--generate-hashes"),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-strip-extras"),
    )
    try:
        _uv.run(*arguments, online=True)
    except EnvironmentBuildError as error:
        try:
            _uv.run(*arguments, online=False)
        except EnvironmentBuildError:
            raise error from None  # what the index says is what the author can act on


def _check(requirements: Path) -> None:
    if not requirements.is_file():
        raise WorkspaceError(
            f"{requirements} is not there", hint="write the service's packages into it; it may be empty"
        )
    for number, line in enumerate(requirements.read_text(encoding="utf-8").splitlines(), start=1):
        if _INDEX_OPTION.match(line):
            raise WorkspaceError(
                f"{requirements.name}:{number} names an index, and a lock says what, not from where",
                hint="set it for uv or pip on the machines that build (UV_INDEX, uv.toml, pip.conf)",
            )


def _check_entries(text: str) -> None:
    for entry in text.replace("\\\n", "").splitlines():
        if not _ENTRY.fullmatch(entry.strip()):
            what = entry.split("--hash")[0].strip()
            raise WorkspaceError(
                f"'{what}' cannot be locked by hash",
                hint="name a released version, or the https address of a wheel: folders and git change",
            )


def _base_requirements() -> list[str]:
    """Give what Rung itself needs, without its extras."""
    return [line for line in importlib.metadata.requires("rung") or [] if not _EXTRA.search(line)]


def _installed_pins() -> list[str]:
    return [line for line in installed_environment().lines if "==" in line and not line.startswith("rung==")]
