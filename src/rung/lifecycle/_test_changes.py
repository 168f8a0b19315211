"""The tests of a candidate against those of the revision that it is compared with: none goes without a reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES = {"data test": "tests/data.py", "regression test": "tests/regression.py"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChanges:
    """The tests of one kind of a candidate against those of its reference."""

    __test__ = False  # not a class of pytest's

    compared: frozenset[str] = frozenset()
    """Both have them, and they compute the same."""
    changed: frozenset[str] = frozenset()
    """Both have one of that name, and it computes something else."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """The reference has them, the candidate has not; with the author's reason, "" without."""

    def unexplained(
        self, kind: Literal["data test", "regression test"], *, candidate: str, reference: str
    ) -> list[str]:
        """Say which tests are gone without a reason, and where it is to be given."""
        gone = [name for name, because in self.removed.items() if not because]
        if not gone:
            return []
        wanted = ", ".join(f'"{name}": "why"' for name in gone)
        which = f"{reference} has the {kind}{'s' * (len(gone) > 1)} {', '.join(gone)}, and {candidate} has not"
        return [f"{which}: say why in {_FILES[kind]}, removed = {{{wanted}}}"]

    @property
    def remarks(self) -> list[str]:
        """Say which tests are gone, each with its reason."""
        return [f"without {name}: {because}" for name, because in self.removed.items() if because]


def compare_tests(
    candidate: Mapping[str, str], reference: Mapping[str, str], reasons: Mapping[str, str]
) -> TestChanges:
    """Tell which tests are the same, by name and digest of what they compute.

    Args:
        candidate: Name to digest; "" where the digest is not known. Nothing at all: its training kept none, and it is
            taken to have what the other has.
        reference: The same.
        reasons: Why a test was removed, by name.

    >>> compare_tests({"r2": "a", "mae": "b"}, {"r2": "a", "mae": "c", "bias": "d"}, {"bias": "never used"})
    TestChanges(compared=frozenset({'r2'}), changed=frozenset({'mae'}), removed={'bias': 'never used'})
    """
    candidate, reference = candidate or reference, reference or candidate
    shared = candidate.keys() & reference.keys()
    changed = frozenset(
        name for name in shared if candidate[name] and reference[name] and candidate[name] != reference[name]
    )
    removed = {name: reasons.get(name, "") for name in sorted(reference.keys() - candidate.keys())}
    return TestChanges(compared=frozenset(shared) - changed, changed=changed, removed=removed)
