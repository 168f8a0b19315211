"""Reports as JSON, whole: how they come from a platform elsewhere. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rung.data.profile import Profile
from rung.data.profile._distances import Shift
from rung.monitoring._drift import Drift, Segment
from rung.monitoring._finding import Finding
from rung.monitoring._quality import Measured
from rung.monitoring._report import Estimated, Report, Traffic
from rung.stats import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["report_from_json", "report_to_json"]


def report_to_json(report: Report) -> dict[str, Any]:
    """Give all of a report as plain JSON data, with its statistics."""
    before = {name: profile.to_json() for name, profile in report.before.items()}
    return {**report.to_json(), "now": report.now.to_json(), "before": before}


def report_from_json(data: Mapping[str, Any]) -> Report:
    """Read what `report_to_json` gave."""
    return Report(
        revision=data["revision"],
        route=data["route"],
        since=datetime.fromisoformat(data["since"]),
        until=datetime.fromisoformat(data["until"]),
        whole=_traffic(data["traffic"]),
        hours=tuple(map(_traffic, data["hours"])),
        references=data["references"],
        drifts=tuple(map(_drift, data["drifts"])),
        segments={name: tuple(Segment(**one) for one in found) for name, found in data["segments"].items()},
        measured=tuple(map(_measured, data["measured"])),
        daily=tuple(map(_measured, data["daily"])),
        estimated=None if data["estimated"] is None else _estimated(data["estimated"]),
        findings=tuple(Finding(**one) for one in data["findings"]),
        now=Profile.from_json(data["now"]),
        before={name: Profile.from_json(profile) for name, profile in data["before"].items()},
    )


def _traffic(data: Mapping[str, Any]) -> Traffic:
    return Traffic(**{**data, "begin": datetime.fromisoformat(data["begin"])})


def _drift(data: Mapping[str, Any]) -> Drift:
    plain = {name: value for name, value in data.items() if name != "size"}
    return Drift(**{**plain, "shift": Shift(**data["shift"]), "counts": tuple(data["counts"])})


def _measured(data: Mapping[str, Any]) -> Measured:
    interval = data["interval"] and tuple(data["interval"])
    return Measured(**{**data, "begin": datetime.fromisoformat(data["begin"]), "interval": interval})


def _estimated(data: Mapping[str, Any]) -> Estimated:
    found = {name: data[name] for name in ("value", "rows", "holds", "because")}
    low, high = data["interval"]
    return Estimated(
        metric=data["metric"],
        estimate=Estimate(interval=(low, high), **found),
        held_out=data["held_out"],
        measured=data["measured"],
    )
