"""Training a service: functions become a graph, every output an artifact, every run a record that can be repeated.

Authors import `Experiment`, `TestResults`, `evaluate_models`, `data_file`, `fetched` and `sampled` in `train/main.py`,
and for `rung tune` `Range`, `NotTuned` and `report`; the CLI and the control plane read records. Each name is imported
when it is first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.testing._results import TestResults
    from rung.training._context import data_file, fetched, report
    from rung.training._evaluation import evaluate_models
    from rung.training._experiment import Experiment
    from rung.training._memo import recall
    from rung.training._mirror import mirror_soon
    from rung.training._ranges import NotTuned, Range
    from rung.training._record import RunRecord, TaskRecord, list_runs, read_run
    from rung.training._sampled import sampled
    from rung.training._trial import Trial

__all__ = [
    "Experiment",
    "NotTuned",
    "Range",
    "RunRecord",
    "TaskRecord",
    "TestResults",
    "Trial",
    "data_file",
    "evaluate_models",
    "fetched",
    "list_runs",
    "mirror_soon",
    "read_run",
    "recall",
    "report",
    "sampled",
]

__getattr__ = exports(
    __name__,
    {
        "Experiment": "_experiment",
        "NotTuned": "_ranges",
        "Range": "_ranges",
        "RunRecord": "_record",
        "TaskRecord": "_record",
        "TestResults": "_evaluation",
        "Trial": "_trial",
        "data_file": "_context",
        "fetched": "_context",
        "evaluate_models": "_evaluation",
        "list_runs": "_record",
        "mirror_soon": "_mirror",
        "read_run": "_record",
        "recall": "_memo",
        "report": "_context",
        "sampled": "_sampled",
    },
)
