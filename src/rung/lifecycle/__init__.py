"""The life of a revision: its states, the gates of a promotion, and who gets traffic. Pure.

The control plane observes facts, asks here what to do, does it, and looks again. Time comes in as an argument. Names
are imported when they are first used: the registry needs the states at every training, and not the statistics.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.lifecycle._hold import MetricFacts, Missing, missing_data
    from rung.lifecycle._judge import RegressionFacts, judge_load, judge_regression, was_disturbed
    from rung.lifecycle._judge_approval import Approval, ApprovalRule, count_approvals, judge_approvals
    from rung.lifecycle._judge_contracts import ContractFinding, judge_contracts
    from rung.lifecycle._judge_data import DataFacts, judge_data
    from rung.lifecycle._judge_experiment import Finding, Stretch, judge_experiment
    from rung.lifecycle._judge_groups import GroupFinding, judge_groups
    from rung.lifecycle._judge_health import Period, Requests, judge_health
    from rung.lifecycle._judge_incumbent import IncumbentFacts, Kept, judge_incumbent
    from rung.lifecycle._judge_replay import ReplayLimits, judge_replay, skip_replay
    from rung.lifecycle._judge_shadow import judge_shadow
    from rung.lifecycle._promotion import (
        ApprovalFacts,
        AwaitApproval,
        Crown,
        Decision,
        ExperimentFacts,
        Grow,
        PromotionFacts,
        Reject,
        StartExperiment,
        StartGate,
        StartShadow,
        Wait,
        decide,
    )
    from rung.lifecycle._retraining import (
        BUDGET_DAYS,
        Cause,
        Origin,
        Rest,
        Retrain,
        RetrainingDecision,
        RetrainingFacts,
        RetrainingRule,
        Trigger,
        decide_retraining,
    )
    from rung.lifecycle._rollout import Split, SplitKind, due_share, first_share, share_of_step, step_of
    from rung.lifecycle._state import MIRRORED, MOVES, SERVED, State, check_move
    from rung.lifecycle._test_changes import TestChanges, compare_tests
    from rung.lifecycle._turns import Team, Training, Turn, TurnFacts, take_turns
    from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

__all__ = [
    "BUDGET_DAYS",
    "MIRRORED",
    "MOVES",
    "SERVED",
    "Approval",
    "ApprovalFacts",
    "ApprovalRule",
    "AwaitApproval",
    "Cause",
    "ContractFinding",
    "Crown",
    "DataFacts",
    "Decision",
    "ExperimentFacts",
    "Finding",
    "Gate",
    "GroupFinding",
    "Grow",
    "IncumbentFacts",
    "Kept",
    "MetricFacts",
    "Missing",
    "Origin",
    "Period",
    "PromotionFacts",
    "RegressionFacts",
    "Reject",
    "ReplayLimits",
    "Requests",
    "Rest",
    "Retrain",
    "RetrainingDecision",
    "RetrainingFacts",
    "RetrainingRule",
    "Split",
    "SplitKind",
    "StartExperiment",
    "StartGate",
    "StartShadow",
    "State",
    "Stretch",
    "Team",
    "TestChanges",
    "Training",
    "Trigger",
    "Turn",
    "TurnFacts",
    "Verdict",
    "VerdictKind",
    "Wait",
    "check_move",
    "compare_tests",
    "count_approvals",
    "decide",
    "decide_retraining",
    "due_share",
    "first_share",
    "judge_approvals",
    "judge_contracts",
    "judge_data",
    "judge_experiment",
    "judge_groups",
    "judge_health",
    "judge_incumbent",
    "judge_load",
    "judge_regression",
    "judge_replay",
    "judge_shadow",
    "missing_data",
    "share_of_step",
    "skip_replay",
    "step_of",
    "take_turns",
    "was_disturbed",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("MetricFacts", "Missing", "missing_data"), "_hold"),
        **dict.fromkeys(("RegressionFacts", "judge_load", "judge_regression", "was_disturbed"), "_judge"),
        **dict.fromkeys(("Approval", "ApprovalRule", "count_approvals", "judge_approvals"), "_judge_approval"),
        **dict.fromkeys(("ContractFinding", "judge_contracts"), "_judge_contracts"),
        **dict.fromkeys(("DataFacts", "judge_data"), "_judge_data"),
        **dict.fromkeys(("TestChanges", "compare_tests"), "_test_changes"),
        **dict.fromkeys(("GroupFinding", "judge_groups"), "_judge_groups"),
        **dict.fromkeys(("Finding", "Stretch", "judge_experiment"), "_judge_experiment"),
        **dict.fromkeys(
            (
                "ApprovalFacts",
                "AwaitApproval",
                "Crown",
                "Decision",
                "ExperimentFacts",
                "Grow",
                "PromotionFacts",
                "Reject",
                "StartExperiment",
                "StartGate",
                "StartShadow",
                "Wait",
            ),
            "_promotion",
        ),
        **dict.fromkeys(("Period", "Requests", "judge_health"), "_judge_health"),
        **dict.fromkeys(("IncumbentFacts", "Kept", "judge_incumbent"), "_judge_incumbent"),
        **dict.fromkeys(("ReplayLimits", "judge_replay", "skip_replay"), "_judge_replay"),
        "judge_shadow": "_judge_shadow",
        "decide": "_promotion",
        **dict.fromkeys(
            (
                "BUDGET_DAYS",
                "Cause",
                "Origin",
                "Rest",
                "Retrain",
                "RetrainingDecision",
                "RetrainingFacts",
                "RetrainingRule",
                "Trigger",
                "decide_retraining",
            ),
            "_retraining",
        ),
        **dict.fromkeys(("Split", "SplitKind", "due_share", "first_share", "share_of_step", "step_of"), "_rollout"),
        **dict.fromkeys(("MIRRORED", "MOVES", "SERVED", "State", "check_move"), "_state"),
        **dict.fromkeys(("Team", "Training", "Turn", "TurnFacts", "take_turns"), "_turns"),
        **dict.fromkeys(("Gate", "Verdict", "VerdictKind"), "_verdict"),
    },
)
