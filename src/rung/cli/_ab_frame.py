"""What `rung ab watch` shows of an A/B test or a bandit: from the control plane's JSON and the time to lines. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from rung.charts.blocks import bar, coloured, fit, row
from rung.cli._ab_evidence import evidence
from rung.cli._duration import spell
from rung.control.course import active_seconds
from rung.schema import ABTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.charts.figure import Tone

Shown: TypeAlias = dict[str, Any]
"""An A/B test as `GET /majors/{service}/{major}/experiment` gives it."""

_OUTCOMES: dict[str, Tone] = {"better": "good", "harmful": "bad", "invalid": "bad", "aborted": "bad"}
_DECISIONS: dict[str, Tone] = {"holds": "good", "broken": "bad", "abort": "bad"}
_MUCH = 0.01  # of the requests: that the incumbent answers so many in the challenger's place is worth a look


def frame(shown: Shown, *, now: datetime, width: int, attempt: Shown | None = None) -> list[str]:
    """Draw a test as it is now.

    Args:
        shown: The test.
        now: The present time.
        width: Characters of a line.
        attempt: How the promotion ended, once it has.
    """
    look = shown["look"]
    lines = [*_head(shown, now), "", *_arms(shown, width), "", *_split(shown, now)]
    if look and "look" in look:
        lines += ["", *evidence(shown, now=now, width=width)]
    if look and "arms" in look:
        lines += ["", *_bandit(look)]
    lines += ["", *(_safety(look) if look else [row("evidence", ["the first look is awaited"])])]
    lines += ["", *_ending(shown, attempt)]
    return [fit(line.rstrip(), width) for line in _once_blank(lines)]


def plain_line(shown: Shown) -> str:
    """Tell in one line where a test stands, for a pipe."""
    shares = ", ".join(f"{_minor(name)} {share:.0%}" for name, share in _rivals_first(shown))
    told = shares + (", paused" if shown["paused"] else "")
    look = shown["look"]
    return f"{told}: {look['progress']}" if look else f"{told}: no look yet"


def outcome_of(shown: Shown, attempt: Shown) -> tuple[str, str]:
    """Give the outcome of a test that ended, and the sentence for it."""
    because = str(attempt.get("because") or "")
    outcome = (shown["look"] or {}).get("outcome")
    if outcome is None:
        outcome = next((word for word in ("inconclusive", "aborted") if word in because), attempt.get("outcome"))
    return str(outcome), because


def _once_blank(lines: list[str]) -> Iterator[str]:
    """Leave out empty lines that follow another."""
    for number, line in enumerate(lines):
        if line or (number and lines[number - 1]):
            yield line


def _head(shown: Shown, now: datetime) -> Iterator[str]:
    started = datetime.fromisoformat(shown["started"])
    rivals = " and ".join(name for name, _ in _rivals_first(shown)[:-1])
    what = "bandit" if shown["bandit"] else "A/B test"
    yield click.style(f"{what}: {rivals} against {shown['incumbent']}", bold=True)
    if shown["ended"]:
        end = datetime.fromisoformat(shown["ended"])
        yield f"ran for {spell((end - started).total_seconds())}, until {end:%Y-%m-%d %H:%M} UTC"
        return
    left = (datetime.fromisoformat(shown["deadline"]) - now).total_seconds()
    ends = f"it ends in {spell(left)} at the latest" if left > 0 else "its deadline has come"
    yield f"began {started:%Y-%m-%d %H:%M} UTC, {spell((now - started).total_seconds())} ago; {ends}"


def _rivals_first(shown: Shown) -> list[tuple[str, float]]:
    """Give the arms with their shares, the incumbent last."""
    return sorted(shown["shares"].items(), key=lambda item: item[0] == shown["incumbent"])


def _minor(name: str) -> str:
    return name.rpartition(".")[2]


def _arms(shown: Shown, width: int) -> Iterator[str]:
    """Show each arm with its share, its units and its outcomes."""
    room = max(min(width - 63, 40), 6)
    heads = ["split".ljust(room + 6), f"{'units':>10}", f"{'outcomes':>10}", " seen"]
    yield row("arm", [click.style("  ".join(["".ljust(10), *heads]), bold=True)])
    for name, share in _rivals_first(shown):
        is_incumbent = name == shown["incumbent"]
        role = "incumbent" if is_incumbent else "challenger"
        units, outcomes = _counts(shown["look"] or {}, name, role)
        seen = f"{outcomes / units:5.0%}" if units and outcomes is not None else ""
        drawn = f"{share:>5.0%} {bar(share, room, 'second' if is_incumbent else 'main')}"
        yield row(_minor(name), ["  ".join([f"{role:<10}", drawn, _count(units), _count(outcomes), seen])])


def _counts(look: Shown, name: str, role: str) -> tuple[int | None, int | None]:
    """Give the units of an arm that were assigned, and those with an outcome; None where that is not known."""
    if "arms" in look:
        return None, look["arms"].get(name, {}).get("units")
    return look.get("exposed", {}).get(role), look.get("outcomes", {}).get(role)


def _count(number: int | None) -> str:
    return f"{'' if number is None else f'{number:,}':>10}"


def _split(shown: Shown, now: datetime) -> Iterator[str]:
    """Tell which step of its ramp a test is on, and what comes next."""
    test, last = ABTest.model_validate(shown["design"]), shown["splits"][-1]
    since = spell((now - datetime.fromisoformat(last["since"])).total_seconds())
    if shown["paused"] and not shown["ended"]:
        yield row("split", [coloured(f"paused for {since}", "bad", bold=True), last["because"]])
        return
    if test.bandit is not None:
        told = f"follows the evidence every {spell(test.bandit.interval.total_seconds())}; changed {since} ago"
        yield row("split", [told])
        return
    shares = [*(step.share for step in test.ramp), test.share]
    taken = sum(split["kind"] in ("start", "ramp") for split in shown["splits"])
    step = min(taken, len(shares)) - 1
    path = " → ".join(
        coloured(f"{share:.0%}", "main" if number == step else "quiet", bold=number == step)
        for number, share in enumerate(shares)
    )
    ran = active_seconds({**shown, "splits": shown["splits"][-1:]}, now)
    yield row("split", [path, _next_step(test, step, ran)])


def _next_step(test: ABTest, step: int, ran: float) -> str:
    """Tell what follows a step that has run for some seconds."""
    if step >= len(test.ramp):
        return "until the decision"
    following = test.ramp[step + 1].share if step + 1 < len(test.ramp) else test.share
    left = max((test.ramp[step].hold - timedelta(seconds=ran)).total_seconds(), 0.0)
    return f"{following:.0%} in {spell(left)}, if nothing speaks against it"


def _bandit(look: Shown) -> Iterator[str]:
    """Show what is known of each arm's reward."""
    yield row("metric", [click.style(look["metric"], bold=True)])
    for name, arm in sorted(look["arms"].items(), key=lambda item: -item[1]["best"]):
        mean = "no outcome yet" if arm["mean"] is None else f"mean {arm['mean']:.4g}"
        yield row(_minor(name), [bar(arm["best"], 24, "good"), f"the best with {arm['best']:4.0%}", mean])
    yield row("to gain", [f"{look['value_remaining']:.3g} at most, by trying on"])


def _safety(look: Shown) -> Iterator[str]:
    rails = look.get("guardrails", {})
    longest = max(map(len, rails), default=0)
    for name, rail in rails.items():
        yield row("guardrail", [f"{name:<{longest}}", _decision(f"{rail['decision']:<9}"), _quiet(rail["because"])])
    for kind, found in (look.get("health") or {}).items():
        yield row(kind, [_decision(found["decision"]), _quiet(found["because"])])
    if "sample_ratio" in look:
        told, _, counts = look["sample_ratio"]["because"].partition(": ")
        is_right = "did not" not in told
        yield row("sample ratio", [coloured(told, "good" if is_right else "bad"), _quiet(counts)])
    for arm, found in (look.get("fallback") or {}).items():
        if isinstance(found, dict) and found["away"]:  # an earlier Rung kept counts alone
            share = found["away"] / found["requests"]
            told = f"another revision answered {share:.1%} of the {arm}'s {found['requests']:,} requests"
            yield row("fallback", [coloured(told, "quiet" if share < _MUCH else "bad")])


def _decision(word: str) -> str:
    return coloured(word, _DECISIONS.get(word.strip(), "quiet"))


def _quiet(text: str) -> str:
    return coloured(text, "quiet")


def _ending(shown: Shown, attempt: Shown | None) -> Iterator[str]:
    if attempt is None:
        if shown["ended"] is None:
            yield _quiet("Ctrl-C ends the watching; the test goes on")
        return
    outcome, because = outcome_of(shown, attempt)
    yield f"{coloured(outcome.replace('_', ' '), _OUTCOMES.get(outcome, 'quiet'), bold=True)}: {because}"
