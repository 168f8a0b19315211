"""Ask PyPI for known vulnerabilities of what is pinned: `python tools/audit.py requirements/base.txt ...`.

Runs in the environment of requirements/audit.txt. What this script does not know is passed on to pip-audit, as
`--ignore-vuln=ID` for one that does not concern Rung. It ends with 1 when there are some, and with 2 when not all could
be looked up; with `--where-reachable` it only says so where PyPI's advisories cannot be reached at all.
"""

# ruff: noqa: INP001  a script
from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_NOT_REACHED = re.compile(r"requests\.exceptions\.\w+|Could not connect|Connection timed out")
"""In the last line of pip-audit when nobody answers."""


def judge(packages: list[dict[str, Any]]) -> tuple[int, str]:
    """Give the exit code and what to say of pip-audit's packages: each has `vulns`, or a `skip_reason`."""
    found = {
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'none'}"
        for package in packages
        for one in package.get("vulns", [])
    }
    unknown = {package["skip_reason"] for package in packages if "skip_reason" in package}
    if found or unknown:
        return 1 if found else 2, "\n".join(sorted(found) + sorted(unknown))
    return 0, f"{len(packages)} packages have no known vulnerability"


def is_reachable(packages: list[dict[str, Any]], said: str) -> bool:
    """Tell whether any advisory could be asked for, from pip-audit's packages and its last line."""
    return any("vulns" in package for package in packages) or (not packages and not _NOT_REACHED.search(said))


def main() -> int:
    """Run pip-audit, and say what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="requirement files with hashes")
    parser.add_argument("--where-reachable", action="store_true", help="no failure where PyPI cannot be asked")
    asked, passed_on = parser.parse_known_args()
    options = ["--progress-spinner", "off", "--disable-pip", "--require-hashes", "--format", "json", *passed_on]
    files = [part for file in asked.files for part in ("-r", str(file))]
    command = [sys.executable, "-m", "pip_audit", *options, *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    packages = json.loads(ran.stdout)["dependencies"] if ran.stdout else []
    said = ran.stderr.strip().rpartition("\n")[2]
    if asked.where_reachable and not is_reachable(packages, said):
        because = packages[0]["skip_reason"] if packages else said
        sys.stderr.write(f"not audited: PyPI's advisories cannot be reached ({because})\n")
        return 0
    code, told = judge(packages) if packages else (2, said)
    (sys.stderr if code else sys.stdout).write(f"{told}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
