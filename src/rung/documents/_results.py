"""The results of a revision as Markdown, from what is on record: the outcome, gates, the A/B test, figures. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OUTCOMES = {"promoted": "Promoted", "rejected": "Rejected"}


def results(why: Mapping[str, Any], metrics: Mapping[str, float] | None = None) -> str:
    """Give the results of a revision; the same record makes the same text.

    Args:
        why: `revision` and `attempts`, as the control plane tells them (`GET /revisions/NAME/why`).
        metrics: Of its training; None where the record of the run is not at hand.
    """
    revision, attempts = why["revision"], why["attempts"]
    parts = [_outcome(revision, attempts), _source(revision)]
    for attempt in attempts:
        parts += [*_gates(attempt, len(attempts)), *_experiment(attempt.get("experiment")), *_figures(attempt)]
    if metrics and not attempts:
        parts.append(_table(["figure", "training"], [[name, _number(value)] for name, value in metrics.items()]))
    parts.append(_links(revision["id"], attempts))
    return "\n\n".join(part for part in parts if part) + "\n"


def _outcome(revision: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> str:
    ended = next((one for one in reversed(attempts) if one["outcome"]), None)
    if ended is None:
        told = "its promotion is under way" if attempts else "it has not been promoted yet"
        return f"**Not decided**: {told}; it is {_word(revision['state'])}: {_line(revision['reason'])}"
    return f"**{_OUTCOMES[ended['outcome']]}** on {ended['ended'][:10]}: {_line(ended['because'])}"


def _source(revision: Mapping[str, Any]) -> str:
    dirty = ", from a tree that differed from it" if revision["dirty"] else ""
    return f"Commit `{(revision['commit'] or 'none')[:12]}`{dirty}; run `{revision['run']}`."


def _gates(attempt: Mapping[str, Any], attempts: int) -> Iterator[str]:
    if attempts > 1:
        yield f"### Attempt {attempt['id']} by {_line(attempt['actor'])}: {attempt['outcome'] or 'under way'}"
    rows = [[one["gate"], one["kind"], one["because"]] for one in attempt["verdicts"]]
    if rows:
        yield _table(["gate", "verdict", "because"], rows)


def _experiment(experiment: Mapping[str, Any] | None) -> Iterator[str]:
    """Tell the effect with its interval; a bandit has none, its verdict says all."""
    look = (experiment or {}).get("look") or {}
    if experiment is None or experiment.get("bandit") or not look.get("look"):
        return
    found, outcomes = look["look"], look["outcomes"]
    low, high = found["interval"]
    interval = "unknown" if low is None or high is None else f"{low:+.4g} to {high:+.4g}"
    yield (
        f"A/B test against {experiment['incumbent']} by {look['metric']}: effect {found['effect']:+.4g}, interval "
        f"{interval} (worth having from {look['minimum_effect']:.4g} on), after {outcomes['challenger']:,} challenger "
        f"and {outcomes['incumbent']:,} incumbent units."
    )


def _figures(attempt: Mapping[str, Any]) -> Iterator[str]:
    """Tell each data test, the candidate's beside the reference's."""
    found: Mapping[str, Any] = next((one["evidence"] for one in attempt["verdicts"] if one["gate"] == "data"), {})
    rows = [
        [one["name"], *(_number(one.get(name)) for name in ("candidate", "reference", "difference"))]
        for one in found.get("tests", ())
    ]
    if rows:
        reference = str(found.get("reference", "reference"))
        yield _table([f"data test, {found['rows']:,} rows", "this", reference, "better by"], rows)


def _links(name: str, attempts: Sequence[Mapping[str, Any]]) -> str:
    commands = [f"rung why {name}", f"rung card {name}", f"rung lineage {name}"]
    if any("experiment" in one for one in attempts):
        commands.append(f"rung ab watch {name.rpartition('.')[0]}")
    return f"More: {', '.join(f'`{command}`' for command in commands)}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _word(state: str) -> str:
    return str(state).replace("_", " ")


def _line(text: str) -> str:
    """Give a text as one line that is nothing but text: no heading, no comment."""
    return re.sub(r"\s+", " ", text or "").strip().replace("<!--", "<! --").replace("-->", "-- >")
