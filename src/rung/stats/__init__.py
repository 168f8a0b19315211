"""The statistics of every decision: A/B tests, guardrails, sample ratio, planning, the paired gate of data tests.

Pure: sums and scores come in, a frozen value with its reason comes out. `lifecycle` and `control` call it;
`docs/statistics.md` explains each method, its source and its measured error rates.
"""

from rung.stats.arms import Arm, Stratum, winsor_limits
from rung.stats.effects import Effect, Goal, Kind, effect, stratified_effect
from rung.stats.gate import Gate, GroupedScore, groups, paired_gate
from rung.stats.guardrail import Guardrail, guardrail
from rung.stats.planning import Duration, expected_duration, required_units
from rung.stats.sample_ratio import SampleRatio, sample_ratio, stratified_sample_ratio
from rung.stats.sequential import Decision, Look, SequentialTest

__all__ = [
    "Arm",
    "Decision",
    "Duration",
    "Effect",
    "Gate",
    "Goal",
    "GroupedScore",
    "Guardrail",
    "Kind",
    "Look",
    "SampleRatio",
    "SequentialTest",
    "Stratum",
    "effect",
    "expected_duration",
    "groups",
    "guardrail",
    "paired_gate",
    "required_units",
    "sample_ratio",
    "stratified_effect",
    "stratified_sample_ratio",
    "winsor_limits",
]
