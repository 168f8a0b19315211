"""`rung tune apply`: the winner becomes the defaults, in the author's source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.errors import CallError, ConflictError
from rung.testing import import_part
from rung.tuning._propose import changed_files, propose_patch
from rung.tuning._study import Study
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from rung.workspace import Workspace

__all__ = ["apply"]


def apply(workspace: Workspace, name: str, *, anyway: bool = False) -> str:
    """Write the winner of a study into the source, and give the change.

    Args:
        workspace: Of the study.
        name: Of the study.
        anyway: Also when it is not shown to be better than the defaults.

    Raises:
        ConflictError: There is no winner, it is not shown to be better, or the defaults have changed since.
        CallError: The service has no such hyperparameters any more.
    """
    study = Study.open(workspace, name)
    winner, evidence = study.winner(), study.evidence
    if not winner:
        raise ConflictError(f"{name} found nothing better than the defaults", hint="there is nothing to apply")
    if not anyway and (evidence is None or not evidence.is_better):
        told = "it was not judged yet" if evidence is None else evidence.because
        raise ConflictError(
            f"the winner of {name} is not to be adopted: {told}", hint="say --anyway if you know better"
        )
    model = import_part(workspace.service(study.spec.service), "train.main").experiment.hyperparameters
    for field in winner:
        now = model.model_fields.get(field)
        if now is None:
            raise CallError(f"{model.__name__} has no field {field!r} any more", hint="begin another study")
        if now.default != study.parameter(field).default:
            raise ConflictError(
                f"the default of {field} is {now.default!r}, and was {study.parameter(field).default!r} in {name}",
                hint="it was applied already, or begin another study",
            )
    change = propose_patch(workspace, model, winner)
    for path, (_, after) in changed_files(model, winner).items():
        write_atomically(path, after.encode())
    return change
