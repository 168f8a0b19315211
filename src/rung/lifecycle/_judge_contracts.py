"""The contracts of consumers, judged: is every request still taken, is every field that is read still there?

Called beside the regression tests, with what a job found on the live endpoint and what the schema now allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.schema import outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFinding:
    """Whether one consumer's contract holds."""

    consumer: str
    version: int
    broken: tuple[str, ...]
    """What it relies on and does not get, a clause for each; empty: it holds."""

    @property
    def because(self) -> str:
        """One sentence."""
        if not self.broken:
            return f"the contract of {self.consumer} holds"
        return f"the contract of {self.consumer} (version {self.version}) is broken: {'; '.join(self.broken)}"

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "consumer": self.consumer,
            "version": self.version,
            "passed": not self.broken,
            "because": self.because,
            "broken": list(self.broken),
        }


def judge_contracts(found: Sequence[Mapping[str, Any]]) -> list[ContractFinding]:
    """Judge the contracts of all consumers.

    Args:
        found: For each contract its `consumer`, `version`, how many requests were `asked`, `refused` (4xx) and `failed`
            (5xx, or no answer), the first `problem` as text, and for each place in `reads` the types that are
            `expected`, that the schema has `declared`, and that were `seen` in answers.
    """
    return [
        ContractFinding(
            consumer=one["consumer"],
            version=one["version"],
            broken=(*_requests(one), *_fields(one["reads"], one["consumer"])),
        )
        for one in found
    ]


def tell_contracts(findings: Sequence[ContractFinding]) -> str:
    """Say in one clause which contracts hold, or do not; nothing where there is none."""
    broken = [finding.because for finding in findings if finding.broken]
    if broken or not findings:
        return "; ".join(broken)
    names = sorted(finding.consumer for finding in findings)
    if len(names) == 1:
        return f"the contract of {names[0]} holds"
    return f"the contracts of {', '.join(names[:-1])} and {names[-1]} hold"


def _requests(found: Mapping[str, Any]) -> list[str]:
    broken = []
    for kind, verb in (("refused", "refused"), ("failed", "not answered")):
        if count := found[kind]:
            was = "was" if count == 1 else "were"
            broken.append(f"{count:,} of {found['asked']:,} recorded requests {was} {verb} ({found['problem']})")
    return broken


def _fields(reads: Mapping[str, Mapping[str, Any]], consumer: str) -> list[str]:
    broken = []
    for place, types in reads.items():
        expected = frozenset(types["expected"])
        came = outside(frozenset(types["seen"]), expected)
        may = outside(frozenset(types["declared"]), expected)
        if _ABSENT in came or may == {_ABSENT} == frozenset(types["declared"]):
            broken.append(f"{place} is gone")
        elif came or may:
            verb = "is" if came else "may be"
            broken.append(f"{place} {verb} {_or(came or may)}, and {consumer} reads {_or(expected)}")
    return broken


def _or(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
