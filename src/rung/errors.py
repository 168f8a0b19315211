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
    exit_code = 2


class NotFoundError(CallError):
    """The thing named does not exist."""

    code = "not_found"


class FeaturesMissingError(NotFoundError):
    """Features of an instance are missing, and nothing stands for them.

    A handler may catch it; else the consumer is told which instances those are.
    """

    code = "features_missing"

    def __init__(self, message: str, *, hint: str = "", places: Sequence[tuple[int, str]] = (), asked: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.places = places
        """Position among the entities that were asked for, and what is missing there."""
        self.asked = asked
        """How many entities were asked for."""


class ConflictError(CallError):
    """The state of the thing does not allow what was asked."""

    code = "conflict"


class SchemaError(CallError):
    """A schema is not valid, or breaks what its major promised."""

    code = "schema"


class ContractError(SchemaError):
    """Rows break the contract of what they belong to."""

    code = "contract"


class FeaturesBrokenError(ContractError):
    """Features of an instance break the contract of their view.

    A handler may catch it; else the consumer is told which instances those are.
    """

    code = "features_broken"

    def __init__(self, message: str, *, hint: str = "", places: Sequence[tuple[int, str]] = (), asked: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.places = places
        """Position among the entities that were asked for, and what is wrong there."""
        self.asked = asked
        """How many entities were asked for."""


class GraphError(CallError):
    """The tasks of an experiment do not make a graph."""

    code = "graph"


class NotAuthenticatedError(CallError):
    """Nobody is known to ask: there is no token, or it is wrong, expired or revoked."""

    code = "not_authenticated"


class NotAllowedError(CallError):
    """Whoever asks may not do that."""

    code = "not_allowed"


class WorkspaceError(CallError):
    """The workspace's folder, files or settings are not as they must be."""

    code = "workspace"


class UnavailableError(RungError):
    """Something is not there now; the same call may work later."""

    code = "unavailable"
    exit_code = 3


class ControlPlaneError(UnavailableError):
    """The control plane does not answer."""

    code = "control_plane"


class LeaseLostError(UnavailableError):
    """Another control plane leads, so this one may write no more."""

    code = "lease_lost"


class GatewayError(UnavailableError):
    """The gateway did not start, or did not take a configuration."""

    code = "gateway"


class BrokenError(RungError):
    """Something is broken; trying again does not help."""

    code = "broken"
    exit_code = 4


class IntegrityError(BrokenError):
    """Bytes are not the bytes that were written."""

    code = "integrity"


class TaskError(BrokenError):
    """Code of the service's author raised: a task, a test, a handler."""

    code = "task"


class EnvironmentBuildError(BrokenError):
    """A locked environment cannot be made."""

    code = "environment"
