"""The findings of `rung check`, one after the other: each says whether something holds, and why."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.checks._artifacts import differing
from rung.checks._evaluation import tell_leakage
from rung.checks._lint import lint
from rung.checks._packages import hold_packages
from rung.checks._practice import Advice, give_advice, hold_questions
from rung.documents import gather_history, judge_order, parse, read_pages
from rung.errors import RungError
from rung.lifecycle import judge_contracts
from rung.practice import metrics_without
from rung.schema import Contract, RevisionName, breaking_changes
from rung.serving import converted_artifacts, needed_artifacts, needed_features, read_bundle
from rung.testing import import_part, load_service_tests
from rung.testing.contracts import hold_by_schema, with_declared
from rung.training import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rung.schema import ConsumerContract
    from rung.testing import ServiceTests
    from rung.workspace import Service, Workspace

__all__ = ["Finding", "Given", "check_service", "loose_pins"]

_PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._ -]+\])?\s*===?\s*[^*\s]+$")
_FILES = (
    *("specification.md", "schema/request.py", "schema/response.py", "schema/service.py"),
    *("train/main.py", "serve/app.py", "tests/acceptance.py", "tests/data.py", "tests/regression.py"),
    *("infrastructure/hardware.py", "infrastructure/requirements.txt", "infrastructure/packages.txt"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    passed: bool
    because: str
    warns: bool = False
    """Nothing is wrong, and it is worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a check knows beside the working tree."""

    contracts: Sequence[ConsumerContract] = field(default_factory=tuple)
    """Of consumers of the service's major."""
    base: str | None = None
    """The branch that this one is to be merged into; None: the order of documents and code is not looked at."""
    next_minor: int | None = None
    """Of the next revision; None where no registry knows the service."""


def check_service(workspace: Workspace, name: str, given: Given | None = None) -> list[Finding]:
    """Check one service; the first thing that cannot be imported ends the checks that need it.

    Args:
        workspace: Where it is.
        name: Of the service.
        given: What else is known.

    Raises:
        NotFoundError: There is no such service.
    """
    service = workspace.service(name)
    sys.path.insert(0, str(workspace.root))
    given = given or Given()
    findings = [
        _tree(service),
        _pins(service),
        _guarded("packages", lambda: _packages(service)),
        _guarded("style", lambda: _style(workspace, service)),
    ]
    tests: ServiceTests | None = None
    try:
        tests = load_service_tests(workspace, name)
    except RungError as error:
        return [*findings, Finding(check="serving", passed=False, because=str(error))]
    findings.append(Finding(check="serving", passed=True, because=f"the app answers {', '.join(tests.handlers)}"))
    for check, work in _checks(workspace, tests, given):
        findings.append(_guarded(check, work))
    return findings


def loose_pins(text: str) -> list[str]:
    r"""Give the lines of a requirement file that are not pinned exactly.

    >>> loose_pins("numpy==2.1.0 ; python_version < '3.12'  # old\nscipy>=1.1")
    ['scipy>=1.1']
    """
    loose = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement = line.partition(" #")[0].partition(";")[0].partition(" --hash")[0].strip()
        if requirement and not requirement.startswith("#") and not _PIN.match(requirement):
            loose.append(line.strip())
    return loose


def _checks(workspace: Workspace, tests: ServiceTests, given: Given) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "specification", lambda: f"its levels are {tests.specification.service_level}"
    yield "experiment", lambda: _experiment(tests)
    yield "evaluation", lambda: tell_leakage(tests.service)
    yield "artifacts", lambda: _artifacts(tests)
    yield "features", lambda: _features(tests)
    yield "conversion", lambda: _conversion(tests)
    yield "metrics", lambda: _metrics(tests)
    yield "tests", lambda: _tests(tests)
    yield "hardware", lambda: _hardware(tests)
    yield "schema", lambda: _promises(workspace, tests)
    yield "contracts", lambda: _contracts(tests, given)
    yield "documents", lambda: _documents(workspace, tests, given)
    yield "questions", lambda: _questions(workspace, tests)
    yield "advice", lambda: give_advice(tests)


def _guarded(check: str, work: Callable[[], str]) -> Finding:
    try:
        because = work()
        return Finding(check=check, passed=True, because=because, warns=isinstance(because, Advice))
    except _WrongError as wrong:
        return Finding(check=check, passed=False, because=str(wrong))
    except RungError as error:
        return Finding(check=check, passed=False, because=str(error))
    except Exception as error:  # noqa: BLE001  an author's module may raise anything; it becomes the finding
        return Finding(check=check, passed=False, because=f"{type(error).__name__}: {error}")


class _WrongError(Exception):
    """A check did not pass; the text says why."""


def _tree(service: Service) -> Finding:
    missing = [name for name in _FILES if not (service.folder / name).is_file()]
    levels = {path.parent for path in service.folder.rglob("*.py") if "__pycache__" not in path.parts}
    missing += [
        f"{level.relative_to(service.folder.parent)}/__init__.py"
        for level in sorted(levels)
        if not (level / "__init__.py").is_file()
    ]
    because = f"missing: {', '.join(missing)}" if missing else f"all {len(_FILES)} files of the tree are there"
    return Finding(check="tree", passed=not missing, because=because)


def _pins(service: Service) -> Finding:
    if not service.requirements.is_file():
        return Finding(check="requirements", passed=False, because=f"{service.requirements.name} is not there")
    loose = loose_pins(service.requirements.read_text())
    because = f"not pinned exactly: {', '.join(loose)}; write name==version" if loose else "every pin is exact"
    return Finding(check="requirements", passed=not loose, because=because)


def _packages(service: Service) -> str:
    holds, because = hold_packages(service.folder / "infrastructure" / "packages.txt")
    if not holds:
        raise _WrongError(because)
    return because


def _hardware(tests: ServiceTests) -> str:
    serving = tests.infrastructure.serving
    routes = tests.handlers.keys()
    unknown = sorted(serving.batching.keys() - routes) if isinstance(serving.batching, dict) else []
    if unknown:
        raise _WrongError(f"batching names no route: {', '.join(unknown)}; the routes are {', '.join(sorted(routes))}")
    shared = [route for route in routes if serving.batching_of(route) is not None]
    coalesced = f"requests of {', '.join(shared)} are coalesced" if shared else "no requests are coalesced"
    return f"{serving.gunicorn_workers} workers serve it, {coalesced}"


def _experiment(tests: ServiceTests) -> str:
    experiment = _experiment_of(tests)
    names = list(experiment.graph.tasks)
    experiment.check()
    return f"{len(names)} tasks: {' -> '.join(names)}"


def _experiment_of(tests: ServiceTests) -> Experiment:
    module = import_part(tests.service, "train.main")
    experiment: Any = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise _WrongError("train/main.py has no experiment = Experiment(...)")
    return experiment


def _artifacts(tests: ServiceTests) -> str:
    needed = needed_artifacts(tests.app)
    graph = _experiment_of(tests).graph
    missing = sorted(name for name in needed if "." not in name and name not in graph.tasks)
    if missing:
        raise _WrongError(
            f"serve/app.py takes {', '.join(missing)}, which no task makes; the tasks are {', '.join(graph.tasks)}"
        )
    if told := differing(tests, graph):
        raise _WrongError(f"serve/app.py and train/main.py differ: {'; '.join(told)}. Annotate both alike")
    return f"training makes what serving takes: {', '.join(sorted(needed)) or 'nothing'}"


def _features(tests: ServiceTests) -> str:
    """Tell which views handlers take; their definitions were read when the app was imported."""
    views = needed_features(tests.app).values()
    told = [
        f"{view.name} by {', '.join(view.entities)} from {', '.join(source.name for source in view.sources)}"
        for view in views
    ]
    return f"handlers take {'; '.join(told)}" if told else "handlers take no features"


def _conversion(tests: ServiceTests) -> str:
    """Look whether training will be able to convert what handlers ask for; else it is served natively."""
    asked = sorted(converted_artifacts(tests.app, tests.handlers.values()))
    if not asked:
        return "every artifact is served natively"
    text = tests.service.requirements.read_text() if tests.service.requirements.is_file() else ""
    pinned = {re.split(r"[\[=\s]", line, maxsplit=1)[0].lower() for line in text.splitlines()}
    missing = [] if "onnxruntime" in pinned else ["onnxruntime"]
    missing += [] if pinned & {"skl2onnx", "onnxscript"} else ["skl2onnx (scikit-learn) or onnxscript (torch)"]
    if missing:
        raise _WrongError(
            f'{", ".join(asked)} with runtime="onnx" would be served natively: add {" and ".join(missing)} to '
            "infrastructure/requirements.txt"
        )
    return f"training converts {', '.join(asked)}, and serves the native one where predictions differ"


def _metrics(tests: ServiceTests) -> str:
    if lacking := metrics_without(tests.ab_test):
        raise _WrongError(lacking)
    deciding = tests.ab_test.decision
    assert deciding is not None  # noqa: S101  else something would lack
    return f"{deciding.name} decides, from an effect of {deciding.minimum_effect} on"


def _questions(workspace: Workspace, tests: ServiceTests) -> str:
    is_held, because = hold_questions(workspace, tests)
    if not is_held:
        raise _WrongError(because)
    return because


def _tests(tests: ServiceTests) -> str:
    if not tests.data or not tests.regression:
        raise _WrongError(
            f"{len(tests.data)} data tests and {len(tests.regression)} regression tests: write at least one each"
        )
    stages = tests.acceptance.stages
    return f"{len(tests.data)} data tests, {len(tests.regression)} regression tests, {len(stages)} load stages"


def _promises(workspace: Workspace, tests: ServiceTests) -> str:
    """Compare the schema with that of the last trained revision of the same major."""
    contract = tests.contract
    last = _last_revision(workspace, tests.service.name, contract.major)
    if last is None:
        return f"v{contract.major} has promised nothing yet"
    old = Contract.from_json(read_bundle(workspace.state, str(last)).contract)
    broken = breaking_changes(old, contract)
    if broken:
        told = "; ".join(map(str, broken))
        raise _WrongError(
            f"it breaks what {last} promised: {told}. Open v{contract.major + 1}: major = {contract.major + 1}"
        )
    return f"it keeps what {last} promised"


def _contracts(tests: ServiceTests, given: Given) -> str:
    """Look whether consumers would still be answered what they rely on."""
    figures = hold_by_schema(given.contracts, tests.handlers)
    found = judge_contracts([with_declared(one, tests.contract) for one in figures])
    broken = [one.because for one in found if one.broken]
    if broken:
        raise _WrongError("; ".join(broken))
    names = ", ".join(one.consumer for one in found)
    return f"what {names} rely on is kept" if found else "no consumer has registered what it relies on"


def _documents(workspace: Workspace, tests: ServiceTests, given: Given) -> str:
    """Look whether results are what the evidence says, and whether the next document was merged before the code."""
    for page in read_pages(workspace, tests.service.name):
        if page.path.is_relative_to(workspace.root) and parse(page.read()).is_edited:
            raise _WrongError(
                f"the results in {page.path.name} were changed by hand: `rung doc fill {page.revision} --overwrite`"
            )
    if given.base is None:
        return "results are as they were filled in; --base REF also holds documents and code to their order"
    major = tests.contract.major
    history = gather_history(workspace, tests.service, base=given.base, major=major, next_minor=given.next_minor)
    order = judge_order(history)
    if not order.holds:
        raise _WrongError(order.because)
    return order.because


def _style(workspace: Workspace, service: Service) -> str:
    holds, because = lint(workspace, service)
    if not holds:
        raise _WrongError(because)
    return because


def _last_revision(workspace: Workspace, service: str, major: int) -> RevisionName | None:
    bundles = (workspace.state / "revisions").glob(f"{service}.v{major}.m*/bundle.json")
    return max((RevisionName.parse(path.parent.name) for path in bundles), default=None)
