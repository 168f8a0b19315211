"""The packages of a lock: names, versions, hashes, and licences where the environment is still there."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ENTRY = re.compile(r"(?P<name>[\w.-]+)(\[[\w.,-]+\])?(==(?P<version>\S+)| @ (?P<url>https://[^\s@]+))")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LONGEST = 100  # letters of a licence; longer ones are whole texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a revision's environment."""

    name: str
    """Normalised, as PyPI writes it in addresses."""
    version: str
    """"" where the lock names an address."""
    url: str
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed, hexadecimal."""
    licence: str = ""
    """As the package says of itself; "" where that is not known here."""

    @property
    def purl(self) -> str:
        """The package URL (https://github.com/package-url/purl-spec)."""
        return f"pkg:pypi/{self.name}@{self.version}" if self.version else f"pkg:pypi/{self.name}"


def read_packages(lock: str, licences: Mapping[str, str]) -> tuple[Package, ...]:
    r"""Read a lock.

    >>> read_packages("# Python 3.11\nNumPy==2.4.6 \\\n    --hash=sha256:" + "0" * 64, {})[0].purl
    'pkg:pypi/numpy@2.4.6'
    """
    found: list[Package] = []
    for line in lock.replace("\\\n", " ").splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            name = normalised(entry["name"])
            found.append(
                Package(
                    name=name,
                    version=entry["version"] or "",
                    url=entry["url"] or "",
                    hashes=tuple(sorted(_HASH.findall(line))),
                    licence=licences.get(name, ""),
                )
            )
    return tuple(sorted(found, key=lambda package: package.name))


def read_licences(environment: Path) -> dict[str, str]:
    """Read what the packages of an environment say of their licences; nothing, where it is gone."""
    places = [str(path) for path in environment.glob("lib/python*/site-packages")]
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions(path=places) if places else ():
        told = distribution.metadata
        named = [*(told.get_all("License-Expression") or ()), *(told.get_all("License") or ()), ""]
        licence = named[0]
        if not licence or len(licence) > _LONGEST or "\n" in licence:
            classifiers = [one for one in told.get_all("Classifier") or () if one.startswith("License :: ")]
            licence = ", ".join(one.rpartition(" :: ")[2] for one in classifiers)
        found[normalised(told["Name"] or "")] = licence
    return found


def normalised(name: str) -> str:
    """Write a package's name as PyPI does (PEP 503).

    >>> normalised("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
