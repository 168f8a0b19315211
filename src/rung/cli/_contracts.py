"""Where commands find the contracts of consumers: the control plane elsewhere, or the registry of the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.cli import _remote

if TYPE_CHECKING:
    from rung.schema import ConsumerContract
    from rung.workspace import Workspace

_VALUES = ("consumer", "version", "requests", "reads")


def known_contracts(workspace: Workspace, service: str, major: int) -> list[ConsumerContract]:
    """Give the contracts that hold with a major; none where there is no registry.

    Raises:
        ControlPlaneError: The one elsewhere does not answer.
    """
    from rung.schema import ConsumerContract

    if _remote.chosen() is not None:
        from rung.cli._control import Control

        shown: list[dict[str, Any]] = Control().get(f"/services/{service}/contracts")
        mine = [one for one in shown if one["major"] == f"{service}.v{major}"]
        return [ConsumerContract.model_validate({name: one[name] for name in _VALUES}) for one in mine]
    from rung.registry import known_registry

    with known_registry(workspace.state, workspace.registry_url()) as registry:
        return [] if registry is None else registry.contracts(service, major)
