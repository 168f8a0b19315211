"""Did the traffic split as it should? If not, units were lost or doubled in one arm, and no effect can be believed.

Called at every look, before the decision. The e-value may be looked at any number of times (M. Lindon, A. Malek,
"Anytime-valid inference for multinomial count data", NeurIPS 2022; why it matters: Fabijan et al., KDD 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SampleRatio", "sample_ratio", "stratified_sample_ratio"]

INVALID_BELOW = 0.001
"""A test is invalid when a correct split would show such counts, at any look, with less than this probability."""

_CONCENTRATIONS = (30.0, 1_000.0)
"""How closely the alternatives lie around the declared shares: gross losses, and small ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """Evidence against the declared traffic split."""

    e_value: float  # how many times better other splits explain the counts; at most 1 in expectation if it is right
    p_value: float  # 1 / e-value, at most 1: valid at any look
    invalid: bool  # the experiment must stop without a decision
    because: str  # one sentence


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Judge the units per arm against the declared shares (of any sum), while the split was the same.

    Raises:
        CallError: The arms differ, a count is negative, or a share is not above 0.

    >>> sample_ratio({"challenger": 5_020, "incumbent": 4_980}, {"challenger": 50, "incumbent": 50}).invalid
    False
    >>> sample_ratio({"challenger": 3_750, "incumbent": 5_000}, {"challenger": 50, "incumbent": 50}).invalid
    True
    """
    return stratified_sample_ratio([(counts, shares)])


def stratified_sample_ratio(strata: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]) -> SampleRatio:
    """Judge (counts, shares) of each stretch of time; what had the same split is added up, and evidence multiplies.

    Raises:
        CallError: As `sample_ratio`.
    """
    splits = _by_split(strata)
    logarithm = sum(_log_e_value(split, counts) for split, counts in splits.items())
    p_value = min(1.0, math.exp(-max(logarithm, 0.0)))
    invalid = p_value < INVALID_BELOW
    verdict = "the traffic did not split as declared" if invalid else "the traffic split as declared"
    seen = "; ".join(_sentence(split, counts) for split, counts in splits.items())
    return SampleRatio(
        e_value=math.exp(min(logarithm, _LARGEST_EXPONENT)),
        p_value=p_value,
        invalid=invalid,
        because=f"{verdict} (p {p_value:.2g}, invalid below {INVALID_BELOW}): {seen}",
    )


_LARGEST_EXPONENT = 700.0
"""Of what a float can hold."""

_Split: TypeAlias = tuple[tuple[str, float], ...]
"""(arm, share) with shares that sum to 1, in the order of the names."""


def _by_split(strata: Sequence[tuple[Mapping[str, int], Mapping[str, float]]]) -> dict[_Split, dict[str, int]]:
    splits: dict[_Split, dict[str, int]] = {}
    for counts, shares in strata:
        _check(counts, shares)
        total = sum(shares.values())
        split = tuple((arm, shares[arm] / total) for arm in sorted(shares))
        before = splits.get(split, {})
        splits[split] = {arm: before.get(arm, 0) + counts[arm] for arm in counts}
    return splits


def _check(counts: Mapping[str, int], shares: Mapping[str, float]) -> None:
    if set(counts) != set(shares):
        raise CallError(f"counts are of {sorted(counts)}, shares of {sorted(shares)}, but both must name the same arms")
    if any(count < 0 for count in counts.values()) or not all(share > 0 for share in shares.values()):
        raise CallError(f"counts {dict(counts)} must be at least 0 and shares {dict(shares)} above 0")


def _log_e_value(split: _Split, counts: Mapping[str, int]) -> float:
    pairs = [(counts[arm], share) for arm, share in split]
    terms = [_log_bayes_factor(pairs, concentration) for concentration in _CONCENTRATIONS]
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms) / len(terms))


def _log_bayes_factor(pairs: Sequence[tuple[int, float]], concentration: float) -> float:
    """Dirichlet-multinomial around the declared shares against the declared shares themselves."""
    units = sum(count for count, _ in pairs)
    result = math.lgamma(concentration) - math.lgamma(concentration + units)
    for count, share in pairs:
        prior = concentration * share
        result += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return result


def _sentence(split: _Split, counts: Mapping[str, int]) -> str:
    units = max(sum(counts.values()), 1)
    return ", ".join(
        f"{arm} has {counts[arm]:,} units, {counts[arm] / units:.1%} where {share:.1%} was declared"
        for arm, share in split
    )
