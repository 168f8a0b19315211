"""Every error that Rung raises, split by what the caller does next.

    RungError
    ├── CallError                 fix the call, then try again
    │   ├── NotFoundError         the thing named does not exist
    │   │   └── FeaturesMissingError  features of an instance are missing, and nothing stands for them
    │   ├── ConflictError         the state of the thing does not allow it
    │   ├── SchemaError           a service's schema is not valid, or breaks its major
    │   │   └── ContractError     rows break the contract of what they belong to
    │   │       └── FeaturesBrokenError  features of an instance do
    │   ├── GraphError            the tasks of an experiment do not make a graph
    │   ├── NotAuthenticatedError nobody is known to ask: no token, or not a right one
    │   ├── NotAllowedError       whoever asks may not do that
    │   └── WorkspaceError        the folder, its files or its settings are not as they must be
    ├── UnavailableError          wait, then try the same again
    │   ├── ControlPlaneError     the control plane does not answer
    │   ├── LeaseLostError        another control plane leads: this one may write no more
    │   └── GatewayError          the gateway did not take a configuration
    └── BrokenError               give up: trying again does not help
        ├── IntegrityError        bytes are not the bytes that were written
        ├── TaskError             an author's task, test or handler raised
        │   └── PrunedError       a trial was ended early: it was behind
        └── EnvironmentBuildError a locked environment cannot be made

A message gives the value and the rule; the hint says what to do. Codes are stable: scripts may rely on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BrokenError",
    "CallError",
    "ConflictError",
    "ContractError",
    "ControlPlaneError",
    "EnvironmentBuildError",
    "FeaturesBrokenError",
    "FeaturesMissingError",
    "GatewayError",
    "GraphError",
    "IntegrityError",
    "LeaseLostError",
    "NotAllowedError",
    "NotAuthenticatedError",
    "NotFoundError",
    "PrunedError",
    "RungError",
    "SchemaError",
    "TaskError",
    "UnavailableError",
    "WorkspaceError",
]


class RungError(Exception):
    """The root: a sentence, a stable code, and a hint that says what to do.

    >>> str(RungError("the sky is green", hint="look again"))
    'the sky is green: look again'
    """

    code: ClassVar[str] = "error"
    remedy: ClassVar[str] = "Read the message and the hint."
    """What helps in most cases; the hint says it for the one at hand. `docs/errors.md` is made from it."""
    exit_code: ClassVar[int] = 1
    """Exit status of a command that ends with this error."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class CallError(RungError):
    """The call is wrong; the caller can mend it."""

    code = "call"
    remedy = "Read the message: it has the value and the rule. Mend the call, then try again."
    exit_code = 2


class NotFoundError(CallError):
    """The thing named does not exist."""

    code = "not_found"
    remedy = (
        "Look at the name: the hint tells which there are, or which command lists them (`rung status`, `rung "
        "runs list`)."
    )


class FeaturesMissingError(NotFoundError):
    """Features of an instance are missing, and nothing stands for them.

    A handler may catch it; else the consumer is told which instances those are.
    """

    code = "features_missing"
    remedy = (
        "Materialise the features (`rung features materialize`), declare what stands for one that is "
        "missing, or catch the error in the handler."
    )

    def __init__(self, message: str, *, hint: str = "", places: Sequence[tuple[int, str]] = (), asked: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.places = places
        """Position among the entities that were asked for, and what is missing there."""
        self.asked = asked
        """How many entities were asked for."""


class ConflictError(CallError):
    """The state of the thing does not allow what was asked."""

    code = "conflict"
    remedy = "Look at the state (`rung status SERVICE`); the hint says what is possible in it."


class SchemaError(CallError):
    """A schema is not valid, or breaks what its major promised."""

    code = "schema"
    remedy = "Add to the schema instead of changing it, or open the next major: `major = 2` in `schema/service.py`."


class ContractError(SchemaError):
    """Rows break the contract of what they belong to."""

    code = "contract"
    remedy = "Correct the rows at their source, or widen the contract if it is wrong."


class FeaturesBrokenError(ContractError):
    """Features of an instance break the contract of their view.

    A handler may catch it; else the consumer is told which instances those are.
    """

    code = "features_broken"
    remedy = (
        "Correct the rows from which the features are made, or the contract of their view; a handler may "
        "catch the error."
    )

    def __init__(self, message: str, *, hint: str = "", places: Sequence[tuple[int, str]] = (), asked: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.places = places
        """Position among the entities that were asked for, and what is wrong there."""
        self.asked = asked
        """How many entities were asked for."""


class GraphError(CallError):
    """The tasks of an experiment do not make a graph."""

    code = "graph"
    remedy = (
        "Look at the parameters of the tasks: each names a task, none leads back to itself, and one task "
        "returns `TestResults`."
    )


class NotAuthenticatedError(CallError):
    """Nobody is known to ask: there is no token, or it is wrong, expired or revoked."""

    code = "not_authenticated"
    remedy = "Log in (`rung login URL`), or give a valid token in `RUNG_TOKEN`."


class NotAllowedError(CallError):
    """Whoever asks may not do that."""

    code = "not_allowed"
    remedy = "Ask somebody with the role that the message names; [security](security.md) says which role may do what."


class WorkspaceError(CallError):
    """The workspace's folder, files or settings are not as they must be."""

    code = "workspace"
    remedy = (
        "Go to the workspace's folder, or make one (`rung init`); else mend the file or the setting that the "
        "message names."
    )


class UnavailableError(RungError):
    """Something is not there now; the same call may work later."""

    code = "unavailable"
    remedy = "Wait, then try the same again; `rung doctor` says what is wrong here."
    exit_code = 3


class ControlPlaneError(UnavailableError):
    """The control plane does not answer."""

    code = "control_plane"
    remedy = "Start it (`rung up`), or let `rung doctor` say what keeps it from answering."


class LeaseLostError(UnavailableError):
    """Another control plane leads, so this one may write no more."""

    code = "lease_lost"
    remedy = "Nothing: another control plane goes on. Ask that one."


class GatewayError(UnavailableError):
    """The gateway did not start, or did not take a configuration."""

    code = "gateway"
    remedy = "Wait, then try the same again; then `rung doctor`, and the gateway's log."


class BrokenError(RungError):
    """Something is broken; trying again does not help."""

    code = "broken"
    remedy = "Do not repeat it. The message says what is broken; `rung doctor` finds what can be mended."
    exit_code = 4


class IntegrityError(BrokenError):
    """Bytes are not the bytes that were written."""

    code = "integrity"
    remedy = "Bring the bytes back from a backup (`rung restore`), or make them anew (`rung reproduce`, `rung train`)."


class TaskError(BrokenError):
    """Code of the service's author raised: a task, a test, a handler."""

    code = "task"
    remedy = "Mend the code of the service: the log (`rung logs`, `rung runs show`) has the traceback."


class PrunedError(TaskError):
    """A trial was ended early: by what it reported it was behind the others."""

    code = "pruned"
    remedy = "None is needed: the trial is kept, and its study goes on. `--pruner none` lets every trial end."


class EnvironmentBuildError(BrokenError):
    """A locked environment cannot be made."""

    code = "environment"
    remedy = "Look at the pins in `infrastructure/requirements.txt`, and whether the package index answers."
