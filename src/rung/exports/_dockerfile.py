"""The Dockerfile of a revision, as text: pure, so that a test reads what an engine would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 8080
PYTHON = "/opt/rung/bin/python"
"""Of the environment in the image."""
ROOT = "/srv/rung"
"""Where the build context lies in the image."""
_USER = 10001

_READY = (
    f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {PORT}, timeout=4); "
    "c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What distinguishes one revision's image from another's."""

    python: str
    """Version, as `3.11`: that of the lock."""
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    """Of the server's environment."""
    arguments: tuple[str, ...]
    """That Python is started with."""
    has_packages: bool
    """There are Debian packages to install."""


def dockerfile(image: Image) -> str:
    """Write the Dockerfile: a base to be pinned, the locked environment, what is served; nothing runs as root."""
    packages = _PACKAGES if image.has_packages else ""
    labels = " \\\n      ".join(f"{name}={json.dumps(value)}" for name, value in sorted(image.labels.items()))
    variables = " \\\n    ".join(f"{name}='{value}'" for name, value in sorted(image.variables.items()))
    return _TEXT.format(
        base=f"python:{image.python}-slim-bookworm",
        labels=labels,
        packages=packages,
        root=ROOT,
        folder=PYTHON.removesuffix("/bin/python"),
        python=PYTHON,
        variables=variables,
        user=_USER,
        port=PORT,
        ready=json.dumps([PYTHON, "-c", _READY]),
        command=json.dumps([PYTHON, *image.arguments]),
    )


_PACKAGES = """
COPY packages.txt ./
RUN apt-get update \\
    && xargs --arg-file=packages.txt apt-get install --yes --no-install-recommends \\
    && rm -rf /var/lib/apt/lists/*
"""

_TEXT = """\
# A tag may be moved: pin the base with --build-arg BASE=python@sha256:...
ARG BASE={base}
FROM ${{BASE}}

LABEL {labels}

WORKDIR {root}
{packages}
COPY requirements.txt ./
COPY wheels ./wheels
RUN python -m venv {folder} \\
    && {python} -m pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt

COPY state ./state
COPY source ./source

ENV {variables}

USER {user}:{user}
WORKDIR {root}/source
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD {ready}
STOPSIGNAL SIGTERM
CMD {command}
"""
