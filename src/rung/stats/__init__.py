"""The statistics of every decision: A/B tests, bandits, shadows, health, policies, the gates of data tests, and drift.

Pure: sums, counts and scores come in, a frozen value with its reason comes out. `lifecycle` and `control` call it;
`docs/statistics.md` explains each method, its source and its measured error rates. `Experiment` is an A/B test for
programs that use nothing else of Rung.
"""

from rung.stats.alarms import FalseAlarms, alarms, discoveries
from rung.stats.arms import Arm, Stratum, winsor_limits
from rung.stats.bandits import BanditLook, discounted, expected_regret, judge_bandit, thompson_shares
from rung.stats.disparity import (
    SMALLEST_GROUP,
    Disparity,
    GroupLimit,
    MeasuredGroup,
    Score,
    Share,
    compare_scores,
    compare_shares,
    hold_to,
)
from rung.stats.drift import chance_of_counts, chance_of_distance
from rung.stats.effects import Effect, Goal, Kind, effect, stratified_effect
from rung.stats.estimated import Estimate, Estimator, confidence_estimator, score_estimator
from rung.stats.experiment import Experiment, Outcome
from rung.stats.gate import DrawnScore, Gate, GroupedScore, bootstrap_draws, bootstrap_gate, groups, paired_gate
from rung.stats.guardrail import Guardrail, guardrail, loss
from rung.stats.health import Health, worse_errors
from rung.stats.offpolicy import PolicyValue, doubly_robust, inverse_propensity, self_normalised
from rung.stats.outlook import Outlook, outlook
from rung.stats.planning import Duration, expected_duration, required_units
from rung.stats.proportions import wilson_interval
from rung.stats.sample_ratio import SampleRatio, sample_ratio, stratified_sample_ratio
from rung.stats.sequential import Decision, Look, SequentialTest
from rung.stats.shadow import (
    Agreement,
    CategoricalShift,
    Differences,
    NumericShift,
    PairedEffect,
    agreement,
    categorical_shift,
    differences,
    numeric_shift,
    paired_effect,
)
from rung.stats.simulate import Simulated, simulate

__all__ = [
    "SMALLEST_GROUP",
    "Agreement",
    "Arm",
    "BanditLook",
    "CategoricalShift",
    "Decision",
    "Differences",
    "Disparity",
    "DrawnScore",
    "Duration",
    "Effect",
    "Estimate",
    "Estimator",
    "Experiment",
    "FalseAlarms",
    "Gate",
    "Goal",
    "GroupLimit",
    "GroupedScore",
    "Guardrail",
    "Health",
    "Kind",
    "Look",
    "MeasuredGroup",
    "NumericShift",
    "Outcome",
    "Outlook",
    "PairedEffect",
    "PolicyValue",
    "SampleRatio",
    "Score",
    "SequentialTest",
    "Share",
    "Simulated",
    "Stratum",
    "agreement",
    "alarms",
    "bootstrap_draws",
    "bootstrap_gate",
    "categorical_shift",
    "chance_of_counts",
    "chance_of_distance",
    "compare_scores",
    "compare_shares",
    "confidence_estimator",
    "differences",
    "discounted",
    "discoveries",
    "doubly_robust",
    "effect",
    "expected_duration",
    "expected_regret",
    "groups",
    "guardrail",
    "hold_to",
    "inverse_propensity",
    "judge_bandit",
    "loss",
    "numeric_shift",
    "outlook",
    "paired_effect",
    "paired_gate",
    "required_units",
    "sample_ratio",
    "score_estimator",
    "self_normalised",
    "simulate",
    "stratified_effect",
    "stratified_sample_ratio",
    "thompson_shares",
    "wilson_interval",
    "winsor_limits",
    "worse_errors",
]
