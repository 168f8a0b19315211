"""Runs of trainings: a page of them, one, and several beside each other, with charts for their kind of model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rung import artifacts
from rung.access import Action
from rung.control.api.door import check
from rung.control.dashboard import _learning, _parallel, _quality
from rung.control.dashboard._visit import Page
from rung.errors import CallError, RungError
from rung.testing import EVALUATED, Evaluated
from rung.training._kept import kept_in
from rung.training.differences import compared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.control.dashboard._quality import Classes, Numbers
    from rung.control.dashboard._stored import Kept
    from rung.control.dashboard._visit import Visit

__all__ = ["compare", "listing", "page"]

_SHOWN = 50
_FEWEST, _MOST = 2, 8  # runs beside each other
_KEPT_S = 3_600.0
_METRICS = 4  # columns of the table


def listing(visit: Visit) -> Page:
    """Show the runs of a service, the newest first; without one the newest that one may see."""
    services = [one for one in visit.registry.run_services() if visit.sees(one)]
    service = visit.asked("service")
    if service:
        check(visit.actor, Action.READ, service)
    elif visit.seen_services() is not None:
        service = services[0] if services else "-"  # whoever sees some services alone sees those of one at a time
    before = visit.asked("before").partition("|")
    found = visit.registry.runs_before(
        service or None, before=(before[0], before[2]) if before[1] else None, limit=_SHOWN + 1
    )
    runs, is_more = found[:_SHOWN], len(found) > _SHOWN
    values = {
        "service": service,
        "services": services,
        "runs": runs,
        "metrics": list(dict.fromkeys(name for run in runs for name in run["metrics"]))[:_METRICS],
        "later": urlencode({"service": service, "before": f"{runs[-1]['started']}|{runs[-1]['id']}"})
        if is_more
        else "",
        "is_first": not before[1],
        "mlflow": _mlflow(visit),
    }
    return Page(template="runs.html", title="Runs", values=values)


def _mlflow(visit: Visit) -> str | None:
    """Give the address of MLflow's pages; "" where only its database is named, None where runs are not mirrored."""
    tracking = visit.platform.loop.mirroring.tracking
    return tracking if tracking is None or tracking.startswith(("http://", "https://")) else ""


def page(visit: Visit) -> Page:
    """Show one run."""
    run = _run(visit, visit.asked("run"))
    values = {"run": run, "learning": _learning.drawn([run]), "charts": _charts(visit, run)}
    trail = (("Runs", f"/ui/runs?service={run['service']}"),)
    return Page(template="run.html", title=run["id"], values=values, trail=trail)


def compare(visit: Visit) -> Page:
    """Show runs beside each other.

    Raises:
        CallError: Too few or too many are chosen, or they are of several services.
    """
    wanted = list(dict.fromkeys(visit.request.query_params.getlist("run")))
    if not _FEWEST <= len(wanted) <= _MOST:
        raise CallError(
            f"{len(wanted)} runs are chosen, and {_FEWEST} to {_MOST} can be compared",
            hint="choose others on the page Runs",
        )
    runs = [_run(visit, one) for one in wanted]
    rows = compared(runs)
    axes = _parallel.axes_of(runs)
    values = {
        "runs": runs,
        "rows": [row for row in rows if row.differs],
        "same": sum(not row.differs for row in rows),
        "drawn": _parallel.parallel(axes, [run["id"] for run in runs]) if len(axes) > 1 else "",
        "learning": _learning.drawn(runs),
        "charts": [(run["id"], _charts(visit, run)) for run in runs],
    }
    trail = (("Runs", f"/ui/runs?service={runs[0]['service']}"),)
    return Page(template="compare.html", title=f"{len(runs)} runs compared", values=values, trail=trail)


def _run(visit: Visit, identity: str) -> dict[str, Any]:
    run = visit.registry.run(identity)
    check(visit.actor, Action.READ, run["service"])
    return run


def _charts(visit: Visit, run: Mapping[str, Any]) -> Kept:
    """Give what a run answered to held-out rows, by field."""
    workspace = visit.platform.place.workspace
    store = artifacts.LocalStore(workspace.artifacts)
    digest = next((task["kept"][EVALUATED] for task in run["tasks"] if EVALUATED in task.get("kept", {})), None)

    def make() -> Sequence[tuple[Numbers | Classes, Sequence[Any]]]:
        if digest is None:
            return ()
        try:
            objects = None if store.has(digest) else kept_in(workspace)
            if objects is not None:  # it was made on another machine
                artifacts.WriteThroughStore(store, objects).fetch_missing([digest])
            kept = Evaluated.model_validate(artifacts.decode(store.path(digest)))
        except (RungError, ValueError):  # of an older Rung, or changed since
            return ()
        return [(one, one.figures()) for one in _quality.read(kept)]

    return visit.stored.get(("charts", run["id"], digest), make, fresh_s=_KEPT_S)
