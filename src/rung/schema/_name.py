"""The names of services and revisions: `housing`, `housing.v1.m2`."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from rung.errors import CallError

_REVISION = re.compile(r"(?P<service>[a-z][a-z0-9_]{0,62})\.v(?P<major>[1-9][0-9]{0,8})\.m(?P<minor>0|[1-9][0-9]{0,8})")
_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,62}")


def check_service_name(name: str) -> str:
    """Give the name back when it can name a service: a Python identifier in lower case.

    >>> check_service_name("housing")
    'housing'

    Raises:
        CallError: The name cannot be a package, a path of the gateway and a label at the same time.
    """
    if not _SERVICE.fullmatch(name) or keyword.iskeyword(name):
        raise CallError(
            f"{name!r} cannot name a service",
            hint="use lower-case letters, digits and _, a letter first, at most 63; no Python keyword",
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RevisionName:
    """One minor version of a major of a service.

    >>> RevisionName.parse("housing.v1.m2")
    RevisionName(service='housing', major=1, minor=2)
    >>> str(RevisionName(service="housing", major=1, minor=2))
    'housing.v1.m2'
    """

    service: str
    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> RevisionName:
        """Read `SERVICE.vMAJOR.mMINOR`.

        Raises:
            CallError: The text is not of that form.
        """
        found = _REVISION.fullmatch(text)
        if found is None:
            raise CallError(f"{text!r} is not the name of a revision", hint="write it as housing.v1.m2")
        return cls(service=found["service"], major=int(found["major"]), minor=int(found["minor"]))

    @property
    def is_benchmark(self) -> bool:
        """Minor 0 is always the benchmark of its major."""
        return self.minor == 0

    @property
    def major_name(self) -> str:
        """The major that this revision belongs to, as `housing.v1`."""
        return f"{self.service}.v{self.major}"

    def __str__(self) -> str:
        return f"{self.service}.v{self.major}.m{self.minor}"
