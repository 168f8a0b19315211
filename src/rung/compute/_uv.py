"""How `environments` calls uv: which binary, with whose settings, and what its errors mean.

uv reads its own settings itself. It does not read pip's, which is where many companies name their index: they are
handed on through the child's environment, and never written anywhere.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import EnvironmentBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["pip_settings", "run"]

_LAST_LINES = 12
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")

# pip's option -> uv's variable, and how uv separates several values.
_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "cert": ("SSL_CERT_FILE", " "),
}

_NO_NETWORK = "uv works without the network, and its cache does not have it: connect, or fill the cache"
_NO_ANSWER = "it is not in uv's cache, and the index did not answer: check the network, the proxy, the index settings"
_NO_NAME = "no index knows that name: check its spelling in requirements.txt and the index settings"
_NO_VERSION = "that version does not exist: correct the pin in requirements.txt"
_UNKNOWN = {_NO_NAME, _NO_VERSION}

# The first that is found in uv's words, most specific first.
_HINTS = (
    ("Hash mismatch", "a package is not what was locked: its index serves other files now, so lock again"),
    ("network was disabled", _NO_NETWORK),
    ("error sending request", _NO_ANSWER),
    ("Failed to fetch", _NO_ANSWER),
    ("not found in the", _NO_NAME),
    ("there is no version", _NO_VERSION),
    ("unsatisfiable", "these requirements contradict each other: loosen one of them in requirements.txt"),
    ("Couldn't parse", "correct that line of requirements.txt"),
    ("No interpreter found", "install that Python, or let uv do it: uv python install"),
    ("Failed to build", "no wheel fits this machine and building it failed: choose a version that has a wheel"),
    ("No space left", "the disk is full"),
)


_OWN = ("RUNG_", "PGPASSWORD")  # Rung's own: a package that is built runs its authors' code


def run(*arguments: str | Path, online: bool, hold: int | None = None) -> None:
    """Run uv; `hold` is a lock's descriptor, held until uv itself has ended, even when this process is killed.

    Without the network it is tried with pip's settings and without: uv's cache is kept apart by index, and content is
    checked by hash anyway.

    Raises:
        EnvironmentBuildError: with uv's last lines and what to do about them.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    handed = {**own, **pip_settings(own, _read_pip_files(own))}
    if online:
        attempts = [handed]
    else:
        attempts = [handed] if handed == own else [handed, own]
    for environment in attempts:
        ended = subprocess.run(
            [_binary(), *map(str, arguments), "--quiet", "--color=never", *(() if online else ("--offline",))],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=() if hold is None else (hold,),
            check=False,
        )
        if ended.returncode == 0:
            return
    raise _explain(ended.stderr.decode(errors="replace"), online=online and not own.get("UV_OFFLINE"))


def pip_settings(environment: Mapping[str, str], files: Iterable[str]) -> dict[str, str]:
    """Translate pip's settings into uv's variables, unless uv was told where packages come from.

    `files` are the texts of pip's files, weakest first; variables (PIP_INDEX_URL and so on) are stronger.
    """
    told = any(environment.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"))
    if told:
        return {}
    options = _pip_options(environment, files)
    found = {
        variable: separator.join(options[option].split())
        for option, (variable, separator) in _VARIABLES.items()
        if options.get(option) and not environment.get(variable)
    }
    if "UV_INDEX" in found:  # as pip does: the best version of all indexes, not the first index that has the name
        found["UV_INDEX_STRATEGY"] = environment.get("UV_INDEX_STRATEGY", "unsafe-best-match")
    return found


def _pip_options(environment: Mapping[str, str], files: Iterable[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:  # pip itself would complain; it is not ours to judge
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                options.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for option in _VARIABLES:
        if value := environment.get("PIP_" + option.upper().replace("-", "_")):
            options[option] = value
    return options


def _read_pip_files(environment: Mapping[str, str]) -> list[str]:
    """Read pip's files where pip looks for them, unless uv has a file of its own."""
    home = Path.home()
    config = Path(environment.get("XDG_CONFIG_HOME", home / ".config"))
    if (config / "uv" / "uv.toml").exists() or Path("/etc/uv/uv.toml").exists():
        return []
    places = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    places += [Path(sys.prefix) / "pip.conf"]
    if chosen := environment.get("PIP_CONFIG_FILE"):
        places.append(Path(chosen))
    return [place.read_text(encoding="utf-8") for place in places if place.is_file()]


def _binary() -> str:
    try:
        import uv  # noqa: PLC0415 - only the platform's install has it; the message says what to do
    except ImportError:
        raise EnvironmentBuildError("uv is not installed", hint="pip install 'rung[platform]'") from None
    return uv.find_uv_bin()


def _explain(words: str, *, online: bool) -> EnvironmentBuildError:
    words = _CREDENTIALS.sub("", words).strip()
    lines = "\n".join(words.splitlines()[-_LAST_LINES:]) or "uv failed and said nothing"
    hint = next((hint for sign, hint in _HINTS if sign in words), "uv says why")
    if (
        not online and hint in _UNKNOWN
    ):  # without the network a cache that lacks a version looks like an index that does
        hint = _NO_NETWORK
    return EnvironmentBuildError(lines, hint=hint)
