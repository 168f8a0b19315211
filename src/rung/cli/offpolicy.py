"""`rung offpolicy`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, table
from rung.cli.history import split_major
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.stats import PolicyValue

_ROUNDING = 1e-6
_HEADER = ("POLICY", "IPS", "SNIPS", "DOUBLY ROBUST", "EFFECTIVE ROWS")
_ESTIMATES = ("ips", "snips", "doubly_robust")


@click.command(epilog="Example: rung offpolicy housing.v1 --policy m2=0.5,m3=0.5")
@click.argument("name", metavar="SERVICE.vN")
@click.option(
    "--policy", "policies", multiple=True, help="Probabilities that sum to 1, as m3=1 or m2=.5,m3=.5; several times."
)
@json_option
def command(name: str, policies: tuple[str, ...], as_json: bool) -> None:
    """Estimate what another split of the traffic would have earned, from the log of the newest A/B test or bandit.

    Each logged assignment has the probability with which its arm was chosen. IPS weighs rewards by how much more often
    the policy would have chosen the arm; SNIPS divides by the weights' sum, for less noise; doubly robust begins with
    the arms' means, of other units than it corrects. Effective rows tell how much of the log speaks of the policy.
    Without --policy: each arm alone, and all alike.
    """
    service, major = split_major(name)
    if major is None:
        raise CallError(f"{name!r} names no major", hint=f"write {name}.v1")
    asked = [parse_policy(text) for text in policies]
    log = Control().get(f"/majors/{service}/{major}/rewards")
    arms = sorted(set(log["arms"]), key=lambda arm: (arm != log["incumbent"], arm))
    found = {"as logged": _as_logged(log)}
    for policy in asked or [*({arm: 1.0} for arm in arms), dict.fromkeys(arms, 1 / max(len(arms), 1))]:
        found[spell_policy(policy)] = estimate(log, policy)
    if as_json:
        print_json(_json(log, found))
        return
    click.echo(f"{log['metric']} per assignment, {log['goal']}; {len(log['rewards']):,} assignments of {log['id']}")
    table([[policy, *_cells(values)] for policy, values in found.items()], _HEADER)
    if log["without_propensity"]:
        click.echo(f"{log['without_propensity']:,} assignments were left out: their propensity was not logged")


def parse_policy(text: str) -> dict[str, float]:
    """Read `m2=.5,m3=.5`.

    Raises:
        CallError: It is written otherwise, an arm is named twice, or the probabilities do not sum to 1.

    >>> parse_policy("m2=.25,m3=.75")
    {'m2': 0.25, 'm3': 0.75}
    """
    policy: dict[str, float] = {}
    for part in text.split(","):
        arm, equals, written = (piece.strip() for piece in part.partition("="))
        try:
            share = float(written)
        except ValueError:
            share = math.nan
        is_arm = arm.startswith("m") and arm[1:].isdigit()
        if not (equals and is_arm and 0 <= share <= 1) or arm in policy:
            raise CallError(f"{text!r} is no policy", hint="write each arm once with its probability: m2=.5,m3=.5")
        policy[arm] = share
    if abs(sum(policy.values()) - 1) > _ROUNDING:
        raise CallError(
            f"the probabilities of {text!r} sum to {sum(policy.values()):g}", hint="they must sum to 1: m2=.5,m3=.5"
        )
    return policy


def spell_policy(policy: Mapping[str, float]) -> str:
    """Write a policy as it is read.

    >>> spell_policy({"m2": 0.5, "m3": 0.5})
    'm2=0.5,m3=0.5'
    """
    return ",".join(f"{arm}={share:.3g}" for arm, share in policy.items() if share)


def estimate(log: Mapping[str, Any], policy: Mapping[str, float]) -> dict[str, PolicyValue | None]:
    """Estimate a policy in three ways; None where the log does not allow one.

    Raises:
        CallError: The policy chooses an arm that the log does not have, or the log is too short.
    """
    from rung import stats

    logged = sorted(set(log["arms"]))
    unknown = sorted(arm for arm, share in policy.items() if share and arm not in logged)
    if unknown:
        raise CallError(
            f"the log has no assignment to {unknown[0]}", hint=f"it has {', '.join(logged) or 'none at all'}"
        )
    whole = {arm: policy.get(arm, 0.0) for arm in logged}
    arguments = log["arms"], log["propensities"], log["rewards"]
    means = _means_of_others(log, logged)
    robust = None
    if means is not None:
        robust = stats.doubly_robust(*arguments, policy=whole, predicted=means, units=log["units"])
    return {
        "ips": stats.inverse_propensity(*arguments, policy=whole, units=log["units"]),
        "snips": stats.self_normalised(*arguments, policy=whole, units=log["units"]),
        "doubly_robust": robust,
    }


def _means_of_others(log: Mapping[str, Any], arms: list[str]) -> dict[str, Any] | None:
    """Give each arm's mean reward for each row, from the other half of the units; None when a half lacks an arm."""
    import numpy as np

    rewards, named, half = np.array(log["rewards"]), np.array(log["arms"]), np.array(log["units"]) % 2
    means = {}
    for arm in arms:
        halves = [rewards[(named == arm) & (half != side)] for side in (0, 1)]
        if not all(part.size for part in halves):
            return None
        means[arm] = np.where(half == 0, halves[0].mean(), halves[1].mean())
    return means


def _as_logged(log: Mapping[str, Any]) -> dict[str, PolicyValue | None]:
    """Give what was earned in fact: of one arm that is always chosen."""
    from rung import stats

    if len(log["rewards"]) < 2:  # noqa: PLR2004  a variance needs two
        raise CallError(
            f"the log of {log['id']} has {len(log['rewards'])} rewards, which say nothing",
            hint="consumers POST outcomes to /outcomes at the gateway",
        )
    count = len(log["rewards"])
    earned: Callable[..., PolicyValue] = stats.inverse_propensity
    value = earned(["all"] * count, [1.0] * count, log["rewards"], policy={"all": 1.0}, units=log["units"])
    return {"ips": value, "snips": value, "doubly_robust": None}


def _cells(values: Mapping[str, PolicyValue | None]) -> list[str]:
    told = [
        "" if value is None else f"{value.value:.4g} ± {value.standard_error:.2g}"
        for value in (values[name] for name in _ESTIMATES)
    ]
    first = values["ips"]
    return [*told, "" if first is None else f"{first.effective_rows:,.0f} of {first.rows:,}"]


def _json(log: Mapping[str, Any], found: Mapping[str, Mapping[str, PolicyValue | None]]) -> dict[str, Any]:
    told = {key: log[key] for key in ("id", "bandit", "metric", "goal", "incumbent", "without_propensity")}
    policies = [
        {"policy": policy, **{name: None if value is None else asdict(value) for name, value in values.items()}}
        for policy, values in found.items()
    ]
    return {**told, "policies": policies}
