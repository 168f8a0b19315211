"""What `make audit` says of pip-audit's packages."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

_AUDIT = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "audit.py"))

SOUND = {"name": "click", "version": "8.5.1", "vulns": []}
WEAK = {"name": "h11", "version": "0.14.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["0.16.0"]}]}
UNMENDED = {"name": "idna", "version": "3.1", "vulns": [{"id": "GHSA-2", "fix_versions": []}]}
UNKNOWN = {"name": "anyio", "skip_reason": "Dependency not found on PyPI: anyio (4.16.0)"}


@pytest.mark.parametrize(
    ("packages", "judged"),
    [
        ([SOUND], (0, "1 packages have no known vulnerability")),
        ([SOUND, WEAK], (1, "h11 0.14.0: GHSA-1, mended in 0.16.0")),
        ([UNKNOWN, UNMENDED], (1, f"idna 3.1: GHSA-2, mended in none\n{UNKNOWN['skip_reason']}")),
        ([SOUND, UNKNOWN], (2, UNKNOWN["skip_reason"])),
    ],
)
def test_judged(packages: list[dict[str, object]], judged: tuple[int, str]):
    assert _AUDIT["judge"](packages) == judged


@pytest.mark.parametrize(
    ("packages", "said", "is_reachable"),
    [
        ([SOUND, UNKNOWN], "", True),
        ([UNKNOWN], "Found no known vulnerabilities", False),
        ([], "requests.exceptions.ConnectionError: Failed to resolve 'pypi.org'", False),
        ([], "ERROR:pip_audit._cli:invalid requirements input: nope.txt", True),
        ([], "python: No module named pip_audit", True),
    ],
)
def test_only_nobody_answering_is_no_failure(packages: list[dict[str, object]], said: str, is_reachable: bool):
    assert _AUDIT["is_reachable"](packages, said) == is_reachable
