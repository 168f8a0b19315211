"""Plain values as YAML that people like to read; every YAML 1.1 and 1.2 parser gives the same values back. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["spell_yaml"]

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})  # of YAML 1.1
_ESCAPED: Final = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def spell_yaml(value: Any) -> str:
    r"""Spell objects, arrays, strings, finite numbers, booleans and null as a block of YAML.

    >>> spell_yaml({"kind": "Service", "ports": [{"port": 80}], "note": "a: b", "none": {}})
    'kind: Service\nports:\n  - port: 80\nnote: "a: b"\nnone: {}\n'
    """
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{_scalar(str(key))}:", inner)
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(begun: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple) and value:
        yield begun
        yield from (f"  {line}" for line in _lines(value))
    elif isinstance(value, str) and _is_text(value):
        yield f"{begun} |"
        yield from (f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{begun} {_scalar(value)}"


def _is_text(value: str) -> bool:
    """Say whether a literal block holds it as it is: whole lines of printable characters, the first not indented."""
    lines = value.split("\n")
    is_whole = len(lines) > 2 and not lines[-1] and bool(lines[-2])  # noqa: PLR2004  two lines, and the end of the last
    return is_whole and lines[0][:1] not in {"", " "} and all(line.isprintable() for line in lines)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, float):  # YAML 1.1 asks for a point, even before an exponent
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
    if isinstance(value, tuple):
        return "[]"
    if isinstance(value, str) and '"' in value and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
