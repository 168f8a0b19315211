"""Why a revision is what it is: from the registry, or from the control plane elsewhere; none need run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.cli import _remote

if TYPE_CHECKING:
    from rung.registry import Registry
    from rung.schema import RevisionName
    from rung.workspace import Workspace


def why(workspace: Workspace, name: RevisionName) -> tuple[dict[str, Any], dict[str, float] | None]:
    """Give what is on record of a revision, `revision` and `attempts`, and the metrics of its training where known.

    Raises:
        NotFoundError: There is no such revision.
        ControlPlaneError: The one elsewhere does not answer.
    """
    if _remote.chosen() is not None:
        from rung.cli._control import Control

        return Control().get(f"/revisions/{name}/why"), None
    from rung.registry import open_registry

    with open_registry(workspace.state, workspace.registry_url()) as registry:
        return _recorded(registry, name), _metrics(registry, name)


def next_minor(workspace: Workspace, service: str, major: int) -> int | None:
    """Tell which minor the next revision of a major will have; None where no revision of the service is known.

    Raises:
        ControlPlaneError: The one elsewhere does not answer.
    """
    if _remote.chosen() is not None:
        from rung.cli._control import Control

        shown = Control().get("/status", service=service)["services"]
        names = [one["id"] for found in shown for one in found["majors"] for one in one["revisions"]]
        return _following([(int(name.split(".")[1][1:]), int(name.split(".")[2][1:])) for name in names], major)
    from rung.registry import known_registry

    with known_registry(workspace.state, workspace.registry_url()) as registry:
        known = [] if registry is None else registry.revisions(service)
        return _following([(one.name.major, one.name.minor) for one in known], major)


def _following(known: list[tuple[int, int]], major: int) -> int | None:
    if not known:
        return None
    return max((minor + 1 for found, minor in known if found == major), default=0)


def _recorded(registry: Registry, name: RevisionName) -> dict[str, Any]:
    from rung.control._view import experiment_json, promotion_json

    revision = registry.revision(name)
    tests = {attempt: found for found in registry.experiments() for attempt in found.attempts}
    attempts = [
        promotion_json(one) | ({"experiment": experiment_json(tests[one.id])} if one.id in tests else {})
        for one in registry.promotions_of(name)
    ]
    shown = {
        "id": str(name),
        "state": revision.state,
        "reason": revision.reason,
        "run": revision.run,
        "commit": revision.commit,
        "dirty": revision.dirty,
    }
    return {"revision": shown, "attempts": attempts}


def _metrics(registry: Registry, name: RevisionName) -> dict[str, float] | None:
    from rung.errors import NotFoundError

    try:
        found: dict[str, float] = registry.run(registry.revision(name).run)["metrics"]
    except NotFoundError:  # its training has not ended
        return None
    return found
