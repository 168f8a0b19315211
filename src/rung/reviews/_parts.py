"""Parts of a service as names and values, so that two versions of them can be told apart. Pure."""

from __future__ import annotations

from typing import Any


def pins(text: str) -> dict[str, str]:
    """Read a requirement file: name, with its marker, to version.

    >>> pins("numpy==2.4.6  # exactly")
    {'numpy': '2.4.6'}
    """
    found = {}
    for line in text.splitlines():
        requirement, _, marker = line.partition("#")[0].partition(";")
        name, equals, version = requirement.partition("==")
        if requirement.strip():
            known = f"{name.strip()} ({marker.strip()})" if marker.strip() else name.strip()
            found[known] = version.strip() if equals else "not pinned"
    return found


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Name each figure of nested data by its path: `serving.vcpus`; of a list of named things by their names.

    >>> flat({"serving": {"vcpus": 2}})
    {'serving.vcpus': 2}
    """
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        value = {one["name"]: {key: inner for key, inner in one.items() if key != "name"} for one in value}
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= flat(inner, f"{prefix}.{name}" if prefix else str(name))
    return found
