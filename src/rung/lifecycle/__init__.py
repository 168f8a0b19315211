"""The life of a revision: its states, the gates of a promotion, and who gets traffic. Pure.

The control plane observes facts, asks here what to do, does it, and looks again. Time comes in as an argument. Names
are imported when they are first used: the registry needs the states at every training, and not the statistics.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.lifecycle._judge import judge_data, judge_experiment, judge_load, judge_regression, was_disturbed
    from rung.lifecycle._promotion import (
        Crown,
        Decision,
        ExperimentFacts,
        PromotionFacts,
        Reject,
        StartExperiment,
        StartGate,
        Wait,
        decide,
    )
    from rung.lifecycle._state import MOVES, SERVED, State, check_move
    from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

__all__ = [
    "MOVES",
    "SERVED",
    "Crown",
    "Decision",
    "ExperimentFacts",
    "Gate",
    "PromotionFacts",
    "Reject",
    "StartExperiment",
    "StartGate",
    "State",
    "Verdict",
    "VerdictKind",
    "Wait",
    "check_move",
    "decide",
    "judge_data",
    "judge_experiment",
    "judge_load",
    "judge_regression",
    "was_disturbed",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(
            ("judge_data", "judge_experiment", "judge_load", "judge_regression", "was_disturbed"), "_judge"
        ),
        **dict.fromkeys(
            (
                "Crown",
                "Decision",
                "ExperimentFacts",
                "PromotionFacts",
                "Reject",
                "StartExperiment",
                "StartGate",
                "Wait",
            ),
            "_promotion",
        ),
        "decide": "_promotion",
        **dict.fromkeys(("MOVES", "SERVED", "State", "check_move"), "_state"),
        **dict.fromkeys(("Gate", "Verdict", "VerdictKind"), "_verdict"),
    },
)
