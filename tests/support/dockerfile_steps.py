"""A Dockerfile carried out without an engine: its steps, in their order, in a plain folder and a virtual environment.

What an image would have at `/opt` and `/srv` lies below the folder. Packages come through uv, which has them; nothing
is installed with apt, and the user is whoever runs the tests.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rung.compute import _uv

__all__ = ["Built", "build", "lint"]

_PIP = "-m pip install"
_MOVED = ("/opt/", "/srv/", "/tmp/")  # noqa: S108  of the image


@dataclass(slots=True, kw_only=True)
class Built:
    """An image, as a folder."""

    root: Path
    folder: Path  # WORKDIR, here
    variables: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    port: int | None = None
    command: list[str] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # words of the steps

    def here(self, text: str) -> str:
        """Tell where what the image names lies here."""
        for place in _MOVED:
            text = text.replace(place, f"{self.root}{place}")
        return text


def lint(dockerfile: Path) -> list[str]:
    """Tell what hadolint finds, in its strictest mode."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--failure-threshold", "ignore", "--format", "json", dockerfile],
        capture_output=True,
        text=True,
        check=False,
    )
    return [f"{one['code']}: {one['message']}" for one in json.loads(ended.stdout)]


def build(context: Path, root: Path) -> Built:
    """Carry out all steps; one that is not known is an error."""
    image = Built(root=root, folder=root)
    for word, rest in _steps(context / "Dockerfile"):
        _STEPS[word](image, context, rest)
        image.done.append(word)
    return image


def _steps(dockerfile: Path) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined) if word]


def _run(image: Built, context: Path, rest: str) -> None:
    del context
    for command in image.here(rest).split("&&"):
        words = shlex.split(command)
        if words[:3] == ["python", "-m", "venv"]:
            _uv.run("venv", words[3], "--python", sys.executable, "--no-project", online=False)
        elif _PIP in command:
            options = [word for word in words[4:] if word != "--no-cache-dir"]
            before = Path.cwd()
            os.chdir(image.folder)
            try:
                _uv.run("pip", "install", "--python", words[0], *options, online=False)
            finally:
                os.chdir(before)
        else:
            subprocess.run(words, cwd=image.folder, check=True)


def _copy(image: Built, context: Path, rest: str) -> None:
    *sources, target = rest.split()
    to = image.folder / image.here(target)
    for name in sources:
        if (context / name).is_dir():
            shutil.copytree(context / name, to, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / name, to)


def _workdir(image: Built, context: Path, rest: str) -> None:
    del context
    image.folder = Path(image.here(rest))
    image.folder.mkdir(parents=True, exist_ok=True)


def _environment(image: Built, context: Path, rest: str) -> None:
    del context
    image.variables |= dict(word.split("=", 1) for word in shlex.split(image.here(rest)))


def _label(image: Built, context: Path, rest: str) -> None:
    del context
    image.labels |= dict(word.split("=", 1) for word in shlex.split(rest))


def _user(image: Built, context: Path, rest: str) -> None:
    del context
    image.user = rest


def _expose(image: Built, context: Path, rest: str) -> None:
    del context
    image.port = int(rest)


def _healthcheck(image: Built, context: Path, rest: str) -> None:
    del context
    image.healthy = json.loads(image.here(rest.partition(" CMD ")[2]))


def _command(image: Built, context: Path, rest: str) -> None:
    del context
    image.command = json.loads(image.here(rest))


def _nothing(image: Built, context: Path, rest: str) -> None:
    """Pass over what an engine alone needs: the base is the Python of the tests."""
    del image, context, rest


_STEPS = {
    "ARG": _nothing,
    "FROM": _nothing,
    "STOPSIGNAL": _nothing,
    "RUN": _run,
    "COPY": _copy,
    "WORKDIR": _workdir,
    "ENV": _environment,
    "LABEL": _label,
    "USER": _user,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "CMD": _command,
}
