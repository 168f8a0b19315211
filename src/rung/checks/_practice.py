"""What `rung check` says of the practice: the seven questions, what metrics must say, advice on the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.control.place import Place
from rung.control.practice.questions import facts_of_package
from rung.practice import AnswerKind, advise, answers, summary
from rung.registry import known_registry
from rung.testing import load_service_tests

if TYPE_CHECKING:
    from rung.practice import Answer
    from rung.testing import ServiceTests
    from rung.workspace import Workspace

__all__ = ["Advice", "answer_questions", "give_advice", "hold_questions"]

_DECLARED = frozenset({4, 5, 6, 7})
"""Questions that files alone answer: a contradiction there is mended before anything is deployed."""


class Advice(str):
    """What a check has to say although nothing is wrong."""

    __slots__ = ()


def answer_questions(workspace: Workspace, name: str) -> tuple[Answer, ...]:
    """Answer the seven questions for a service as it lies here; figures come from the registry, where there is one.

    Raises:
        NotFoundError: There is no such service.
        TaskError: One of its modules cannot be imported.
        WorkspaceError: Its specification cannot be read.
    """
    return answers_of(workspace, load_service_tests(workspace, name))


def answers_of(workspace: Workspace, tests: ServiceTests) -> tuple[Answer, ...]:
    """Answer the seven questions for a service that is imported.

    Raises:
        WorkspaceError: Its specification cannot be read.
    """
    contract, folder = tests.contract, tests.service.folder
    text = tests.service.specification.read_text(encoding="utf-8")
    with known_registry(workspace.state, workspace.registry_url()) as registry:
        place = Place(workspace=workspace)
        facts = facts_of_package(place, registry, folder, text=text, major=contract.major, contract=contract)
    return answers(facts)


def hold_questions(workspace: Workspace, tests: ServiceTests) -> tuple[bool, str]:
    """Tell whether nothing of a service's own files contradicts its specification, and how far it is answered.

    Raises:
        WorkspaceError: The specification cannot be read.
    """
    found = answers_of(workspace, tests)
    against = [one for one in found if one.standing is AnswerKind.REFUTED and one.number in _DECLARED]
    if against:
        return False, "; ".join(f"{one.question} {one.because}: {one.next}" for one in against)
    told = summary(found)
    return True, told if all(one.is_answered for one in found) else Advice(f"{told}; `rung spec check` says what to do")


def give_advice(tests: ServiceTests) -> str:
    """Say what the schema could do better."""
    said = advise(tests.contract)
    return Advice("; ".join(said)) if said else "predictions say how sure they are, and show no internals"
