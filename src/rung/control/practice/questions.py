"""Facts for the seven questions: tests and schema of a package, figures on record, what was seen of its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.control.practice.papers import package_of, read_paper
from rung.errors import RungError
from rung.lifecycle import Gate, VerdictKind
from rung.practice import Loaded, QuestionFacts, Scored, fields_of, read_declared
from rung.schema import Contract, parse_specification
from rung.serving import read_bundle
from rung.testing import read_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rung.control.place import Place
    from rung.lifecycle import Verdict
    from rung.registry import Promotion, Registry
    from rung.schema import RevisionName

_TESTS = ("tests/acceptance.py", "tests/data.py", "tests/regression.py")


def facts_of_revision(place: Place, registry: Registry, name: RevisionName) -> QuestionFacts:
    """Gather what answers the questions for a revision, as it was deployed.

    Raises:
        ConflictError: It has no specification.
        WorkspaceError: That cannot be read.
    """
    folder = package_of(place, name)
    text = read_paper(folder / "specification.md", name)
    return facts_of_package(place, registry, folder, text=text, major=name.major, contract=contract_of(place, name))


def facts_of_package(
    place: Place, registry: Registry | None, folder: Path, *, text: str, major: int, contract: Contract | None
) -> QuestionFacts:
    """Gather what answers the questions for a service's package.

    Args:
        place: Where the platform keeps things.
        registry: Where figures are; None: there are none yet.
        folder: The package, in the workspace or in a snapshot.
        text: Its specification.
        major: Of its schema.
        contract: Its schema as data; None where nothing was trained.

    Raises:
        WorkspaceError: The specification cannot be read.
    """
    service = folder.name
    seen = read_seen(place.workspace.state, service, folder)
    attempts = [] if registry is None else [one for one in registry.promotions(service) if one.revision.major == major]
    return QuestionFacts(
        service=service,
        specification=parse_specification(text, name=str(folder / "specification.md")),
        tests=read_declared(_files(folder)),
        fields=None if contract is None else fields_of(contract),
        scores={} if registry is None else _scores(registry, service, major),
        passed=seen.passed,
        failed=seen.failed,
        load=_load(attempts),
        replay=_replay(attempts),
    )


def contract_of(place: Place, name: RevisionName) -> Contract | None:
    """Give the schema of a trained revision as data; None where it is not here."""
    try:
        return Contract.from_json(read_bundle(place.workspace.state, str(name)).contract)
    except (RungError, KeyError, TypeError):  # none, or of a Rung that kept it otherwise
        return None


def _files(folder: Path) -> Mapping[str, str]:
    paths = [folder / name for name in _TESTS] + sorted((folder / "tests" / "serve").glob("test_*.py"))
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.is_file()
    }


def _scores(registry: Registry, service: str, major: int) -> dict[str, Scored]:
    """Give the newest score of each data test; the benchmark's are what doing nothing achieves, and prove nothing."""
    found: dict[str, Scored] = {}
    for event in registry.events_of("trained", service=service):
        name = event.subject
        if name.startswith(f"{service}.v{major}.m") and not name.endswith(".m0"):
            found |= {test: Scored(revision=name, value=value) for test, value in event.data.get("metrics", {}).items()}
    return found


def _load(attempts: Iterable[Promotion]) -> Loaded | None:
    newest = _newest(attempts, Gate.LOAD)
    if newest is None or "measured" not in newest[1].evidence:
        return None
    revision, verdict = newest
    measured, limits = verdict.evidence["measured"], verdict.evidence["limits"]
    steady: Mapping[str, Any] = measured.get("open", {})
    slow = [one.get("latency_p99_ms") for one in (measured, steady)]
    return Loaded(
        revision=revision,
        passed=verdict.kind is VerdictKind.PASS,
        because=verdict.because,
        latency_p99_ms=max((one for one in slow if one is not None), default=None),
        throughput_rps=steady.get("throughput_rps"),
        latency_limit_ms=limits["latency_p99_ms"],
        throughput_limit_rps=limits["throughput_rps"],
    )


def _replay(attempts: Iterable[Promotion]) -> str | None:
    newest = _newest(attempts, Gate.REPLAY)
    if newest is None or newest[1].kind is not VerdictKind.PASS or not newest[1].evidence.get("asked"):
        return None
    return newest[1].because


def _newest(attempts: Iterable[Promotion], gate: Gate) -> tuple[str, Verdict] | None:
    found = [(str(one.revision), verdict) for one in attempts for verdict in one.verdicts if verdict.gate == gate]
    return found[-1] if found else None
