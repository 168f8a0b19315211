"""The model card of a revision, in Markdown (M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rung.cards._specification import consumer_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rung.cards._facts import Facts
    from rung.lifecycle import GroupFinding, Verdict
    from rung.registry import Promotion

_FIELDS = 10  # of an explanation; `rung card --json` has all
_NOTHING = "Nothing on record."


def model_card(facts: Facts) -> str:
    """Write the card: the same facts make the same text."""
    sections = [
        ("Where it is", _standing(facts)),
        ("What it is for", _purpose(facts)),
        ("How well it does", _performance(facts)),
        ("By group", _groups(facts.groups)),
        ("What matters to it", _explanation(facts.explanation)),
        ("Evidence", _evidence(facts.attempts)),
        ("Limits", [facts.sections.get("Pitfalls", "")]),
        ("Intention and approach", [_quoted(facts.document)]),
        ("What it was made of", _materials(facts)),
    ]
    parts = [f"# {facts.name}"]
    for heading, lines in sections:
        body = "\n".join(lines).strip()
        parts.append(f"## {heading}\n\n{body or _NOTHING}")
    return "\n\n".join(parts) + "\n"


def _standing(facts: Facts) -> Iterator[str]:
    revision, run = facts.revision, facts.run
    yield f"It is **{revision.state}** since {_time(revision.since.isoformat())}: {revision.reason}."
    yield ""
    yield f"- trained by {revision.actor}, run `{revision.run}` of {_time(run['started'])}"
    for attempt in facts.attempts:
        ended = "" if attempt.ended is None else f" on {_time(attempt.ended.isoformat())}"
        yield f"- promotion {attempt.id} by {attempt.actor}: {attempt.outcome or 'under way'}{ended}"
        for verdict in attempt.verdicts:
            if str(verdict.gate) == "approval":
                yield f"- approval: {verdict.because}"
    yield from (f"- {role} owner: {who}" for role, who in sorted(facts.front.get("owners", {}).items()))


def _purpose(facts: Facts) -> Iterator[str]:
    if "title" in facts.front:
        yield f"**{facts.front['title']}**"
        yield ""
    for heading in ("Problem", "Role in the product"):
        if facts.sections.get(heading):
            yield f"{facts.sections[heading]}"
            yield ""
    if consumers := consumer_names(facts.front):
        yield f"Consumers: {', '.join(consumers)}."


def _performance(facts: Facts) -> Iterator[str]:
    """Tell the metrics of the run, and beside them what the data gate found of the revision before."""
    judged = next((one for attempt in reversed(facts.attempts) for one in attempt.verdicts if one.gate == "data"), None)
    before = {} if judged is None else {one["name"]: one for one in judged.evidence.get("tests", ())}
    reference = "" if judged is None else str(judged.evidence.get("reference", ""))
    rows = [
        [name, f"{value:.6g}", *_compared(before.get(name, {}))] for name, value in sorted(facts.run["metrics"].items())
    ]
    heads = [
        "metric on held-out rows",
        "in training",
        "at the gate",
        reference or "reference",
        "p",
        "loss caught beyond",
    ]
    yield from _table(
        heads if judged is not None else heads[:2], [row[: 6 if judged is not None else 2] for row in rows]
    )
    if failed := facts.run["failed_tests"]:
        yield f"\nRegression tests that did not pass: {', '.join(failed)}."
    if facts.bundle is not None:
        yield from _business(facts.bundle.ab_test)


def _compared(found: Mapping[str, Any]) -> list[str]:
    return [_number(found.get(key)) for key in ("candidate", "reference", "p_value", "smallest_caught")]


def _business(test: Mapping[str, Any]) -> Iterator[str]:
    if metrics := test.get("metrics"):
        yield "\nWhat decides in production:\n"
        yield from (
            f"- `{one['name']}` ({one['role']}, {one['goal']}, from an effect of {one['minimum_effect']:g} on):"
            f" {one['source']}"
            for one in metrics
        )


def _groups(findings: Sequence[GroupFinding]) -> Iterator[str]:
    for attribute in dict.fromkeys(one.attribute for one in findings):
        own = [one for one in findings if one.attribute == attribute]
        names = [group.name for group in own[0].disparity.groups]
        yield f"### {attribute}\n"
        yield from _table(
            ["group", *(one.measure for one in own)],
            [[name, *(_cell(one, index) for one in own)] for index, name in enumerate(names)],
        )
        yield ""
        yield from (f"- {one.measure}: {'' if one.passed else '**fails**: '}{one.because}." for one in own)
        yield ""


def _cell(finding: GroupFinding, index: int) -> str:
    group = finding.disparity.groups[index]
    interval = "" if group.interval is None else f" ({group.interval[0]:.4g} to {group.interval[1]:.4g})"
    return f"{_number(group.value)}{interval} of {group.rows:,}"


def _explanation(found: Mapping[str, Any]) -> Iterator[str]:
    if not found:
        return
    for told in found["models"]:
        if "mean_size" not in told:
            yield f"`{told['artifact']}` on the route {told['route']}: {told['because']}.\n"
            continue
        output = "" if told["output"] is None else f", output {told['output']}"
        sizes = f"mean size of {told['method']} in the {told['space']}, {told['rows']} rows"
        yield f"`{told['artifact']}` on the route {told['route']}{output}: {sizes}.\n"
        largest = list(told["mean_size"].items())[:_FIELDS]
        yield from _table(["input", "mean size"], [[name, _number(size)] for name, size in largest])
        yield ""
    yield from _importance(found["importance"], found["rows"], found["because"])


def _importance(found: Sequence[Mapping[str, Any]], rows: int, because: str) -> Iterator[str]:
    if because:
        yield f"Fields were not shuffled: {because}."
        return
    tests = list(dict.fromkeys(one["test"] for one in found))
    losses = {(one["field"], one["test"]): one for one in found}
    fields = list(dict.fromkeys(one["field"] for one in found))
    fields.sort(key=lambda field: -(losses[field, tests[0]]["loss"] or 0.0))
    yield f"How much worse each data test gets when a field is shuffled, ± standard deviation ({rows} held-out rows):\n"
    yield from _table(
        ["field", *tests],
        [
            [
                field,
                *(f"{_number(one['loss'])} ± {one['spread']:.2g}" for one in (losses[field, test] for test in tests)),
            ]
            for field in fields[:_FIELDS]
        ],
    )


def _evidence(attempts: Iterable[Promotion]) -> Iterator[str]:
    for attempt in attempts:
        because = f": {attempt.because}" if attempt.because else ""
        yield f"### Promotion {attempt.id}, {attempt.outcome or 'under way'}{because}\n"
        yield from _table(["gate", "verdict", "because"], [_verdict(one) for one in attempt.verdicts])
        yield ""


def _verdict(verdict: Verdict) -> list[str]:
    return [str(verdict.gate), str(verdict.kind), verdict.because]


def _materials(facts: Facts) -> Iterator[str]:
    revision, run = facts.revision, facts.run
    dirty = ", from a tree that differed from it" if revision.dirty else ""
    yield f"- commit `{revision.commit}`{dirty}"
    yield f"- Python {facts.python}, {len(facts.packages)} locked packages, rung {run['rung']}, seed {run['seed']}"
    if run["hyperparameters"]:
        told = ", ".join(f"{name} = {json.dumps(value)}" for name, value in sorted(run["hyperparameters"].items()))
        yield f"- hyperparameters: {told}"
    yield "\n### Data\n"
    yield from _table(
        ["data", "version", "licence", "owner", "bytes", "digest"],
        [
            [one.name, one.version, one.licence or "not on record", one.owner, f"{one.size:,}", one.digest]
            for one in facts.data
        ],
    )
    yield "\n### Artifacts\n"
    yield from _table(
        ["artifact", "format", "bytes", "digest"],
        [[one.name, one.format, f"{one.size:,}" if one.format else "", one.digest] for one in facts.artifacts],
    )
    yield "\n### Packages\n"
    yield from _table(
        ["package", "version", "licence"],
        [[one.name, one.version or one.url, one.licence or "not known here"] for one in facts.packages],
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        yield _NOTHING
        return
    yield "| " + " | ".join(map(_safe, heads)) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(map(_safe, row)) + " |"


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _quoted(text: str) -> str:
    """Set a document of its own apart: its headings are not the card's."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _time(moment: str) -> str:
    return f"{moment[:19].replace('T', ' ')} UTC"
