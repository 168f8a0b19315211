"""The page of a revision: what it is, its evidence gate by gate, what it was made of, what it costs, its logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rung.cards import gather, kept_insights, model_card
from rung.charts.figure import Curve, Figure, Panel, Rule, padded
from rung.control._view import event_json, promotion_json
from rung.control.dashboard import _deeds, _papers
from rung.control.dashboard._visit import Page
from rung.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.control.dashboard._stored import Kept
    from rung.control.dashboard._visit import Visit
    from rung.schema import RevisionName

__all__ = ["card", "load_figure", "page"]

_EVENTS = 60
_LOG_BYTES = 12_000
_LOGS = ("training", "environment", "server")
_DAYS = 30
_FRESH_S = 60.0
_KEPT_S = 600.0
_SHADOW_S = 10.0
_FIELDS = 12
_PERCENTILES = (50, 90, 99)


def page(visit: Visit) -> Page:
    """Show one revision."""
    name = visit.revision()
    revision = visit.registry.revision(name)
    run = _run(visit, revision.run)
    found = visit.registry.promotions_of(name)
    attempts = [promotion_json(one) for one in reversed(found)]
    deeds = _deeds.of_revision(revision.state, name, has_failed=any(one.failure for one in found))
    known = visit.registry.experiments_with(one["id"] for one in attempts)
    tests = {number: one.id for one in known for number in one.attempts}
    values = {
        "name": str(name),
        "parts_of": name,
        "revision": visit.platform.revision(name),
        "run": run,
        "attempts": attempts,
        "tests": tests,
        "figures": {one["id"]: load_figure(one) for one in attempts},
        "specification": _papers.specification(visit.platform.place, name),
        "document": _papers.document(visit.platform.place, name),
        "importance": () if run is None else _importance(visit, name, run),
        "cost": _cost(visit, name),
        "shadow": _shadow(visit, name),
        "logs": [(kind, _tail(visit, name, kind)) for kind in _LOGS],
        "events": [event_json(event) for event in reversed(visit.registry.newest_events(name, limit=_EVENTS))],
        "offers": _deeds.offer(visit.actor, str(name), *deeds),
    }
    return Page(template="revision.html", title=str(name), values=values, trail=_trail(name))


def card(visit: Visit) -> Page:
    """Show the model card of a revision."""
    name = visit.revision()
    visit.registry.revision(name)
    workspace = visit.platform.place.workspace

    def make() -> str:
        return model_card(gather(name, registry=visit.registry, workspace=workspace))

    values = {"name": str(name), "card": visit.stored.get(("card", str(name)), make, fresh_s=_FRESH_S)}
    trail = (*_trail(name), (str(name), f"/ui/revisions/{name}"))
    return Page(template="card.html", title=f"Model card of {name}", values=values, trail=trail)


def load_figure(attempt: Mapping[str, Any]) -> Figure | None:
    """Draw the latencies of an attempt's load test over their percentiles, beside the promise; None without one."""
    found: Mapping[str, Any] = next((one["evidence"] for one in attempt["verdicts"] if one["gate"] == "load"), {})
    measured, limits = found.get("measured"), found.get("limits")
    if not measured or not limits:
        return None
    both = (
        Curve(points=_points(measured), label="users in turn", tone="main", dotted=True),
        Curve(points=_points(measured.get("open", {})), label="fixed rate", tone="second", dotted=True),
    )
    curves = [curve for curve in both if len(curve.points) == len(_PERCENTILES)]
    if not curves:
        return None
    limit = limits["latency_p99_ms"]
    low, high = padded([0.0, limit, *(y for curve in curves for _, y in curve.points)])
    return Figure(
        title="Load test",
        told=f"{measured['requests']:,} requests with {measured['failures']:,} failures; "
        f"{measured['throughput_rps']:.1f} answers a second.",
        x_title="percentile of the requests",
        low=45.0,
        high=100.0,
        panels=(
            Panel(
                title="latency (milliseconds)",
                low=max(low, 0.0),
                high=high,
                curves=tuple(curves),
                rules=(Rule(y=limit, label=f"promised {limit:g} ms", tone="bad"),),
            ),
        ),
    )


def _points(sample: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    known = [(float(share), sample.get(f"latency_p{share}_ms")) for share in _PERCENTILES]
    return tuple((x, float(y)) for x, y in known if y is not None)


def _trail(name: RevisionName) -> tuple[tuple[str, str], ...]:
    return ("Services", "/ui/"), (name.service, f"/ui/services/{name.service}")


def _run(visit: Visit, identity: str) -> dict[str, Any] | None:
    try:
        return visit.registry.run(identity)
    except NotFoundError:  # it trains still, or its record was never kept
        return None


def _importance(visit: Visit, name: RevisionName, run: Mapping[str, Any]) -> list[tuple[str, list[Any], float]] | None:
    """Give by test which fields matter on the whole, the largest loss first; None while that is being made."""
    workspace = visit.platform.place.workspace
    kept = visit.stored.get(("insights", str(name)), lambda: kept_insights(run, workspace), fresh_s=_KEPT_S)
    if kept.made is None:
        return None
    if kept.value is None:
        return []
    tests: dict[str, list[Any]] = {}
    for one in kept.value[1].get("importance", ()):
        if one["loss"] is not None:
            tests.setdefault(one["test"], []).append(one)
    drawn = []
    for test, found in tests.items():
        largest = sorted(found, key=lambda one: -abs(one["loss"]))[:_FIELDS]
        drawn.append((test, largest, max(abs(one["loss"]) for one in largest) or 1.0))
    return drawn


def _cost(visit: Visit, name: RevisionName) -> Kept:
    """Tell what the service's revisions used in the last days; the page shows its own."""

    def make() -> dict[str, Any]:
        today = datetime.now(UTC).date()
        price, found = visit.platform.cost(name.service, since=today - timedelta(days=_DAYS - 1), until=today)
        own = {one["revision"]: one for one in found}
        return {"currency": None if price is None else price.currency, "days": _DAYS, "revisions": own}

    return visit.stored.get(("cost", name.service), make, fresh_s=_FRESH_S)


def _shadow(visit: Visit, name: RevisionName) -> Kept | None:
    """Compare what it answered as a shadow with production; None where it never was one."""
    if all(one.revision != name for one in visit.registry.shadows(name.service)):
        return None
    return visit.stored.get(
        ("shadow", str(name)), lambda: visit.platform.promotions.shadows.report(name), fresh_s=_SHADOW_S
    )


def _tail(visit: Visit, name: RevisionName, kind: str) -> str:
    """Give the end of a log; "" where there is none."""
    is_server = kind == "server"
    folder = visit.platform.place.revision(name)
    path = folder / "server.log" if is_server else visit.platform.deployments.job(name, kind).log
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _LOG_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return text if size <= _LOG_BYTES else "…" + text.partition("\n")[2]
