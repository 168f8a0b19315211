"""Tests of a service: data, regression, acceptance and serving tests, run in process or against any URL.

Authors import `goal`, `Sensitive`, `AcceptanceTest`, `Stage`, `fake_artifacts` and `fake_features` in `tests/`.
Training runs data and regression tests on the models it just made; promotion runs the same functions against live
endpoints. Each name is imported when it is first used: a training that has nothing to evaluate does not wait for a web
framework.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.testing._acceptance import AcceptanceTest, Limits, Stage
    from rung.testing._client import Client, PredictionError, RecordingClient
    from rung.testing._evaluated import EVALUATED, MAX_DIFFERENCE, Evaluated, Exchange, keep_answers
    from rung.testing._features import fake_features
    from rung.testing._goal import declared_of, goal, goal_of
    from rung.testing._import import import_part
    from rung.testing._in_process import fake_artifacts, serve_in_process
    from rung.testing._recorded import recorded
    from rung.testing._reference import REFERENCE, Reference, keep_reference
    from rung.testing._results import DataResult, RegressionResult, TestResults
    from rung.testing._seen import Seen, code_digest, keep_seen, read_seen
    from rung.testing._sensitive import GROUP_METRICS, Sensitive, measure_groups
    from rung.testing._service import ServiceTests, load_service_tests
    from rung.testing._tests import Draws, Scores, run_data_tests, run_regression_tests, score_draws, score_groups

__all__ = [
    "EVALUATED",
    "GROUP_METRICS",
    "MAX_DIFFERENCE",
    "REFERENCE",
    "AcceptanceTest",
    "Client",
    "DataResult",
    "Draws",
    "Evaluated",
    "Exchange",
    "Limits",
    "PredictionError",
    "RecordingClient",
    "Reference",
    "RegressionResult",
    "Scores",
    "Seen",
    "Sensitive",
    "ServiceTests",
    "Stage",
    "TestResults",
    "code_digest",
    "declared_of",
    "fake_artifacts",
    "fake_features",
    "goal",
    "goal_of",
    "import_part",
    "keep_answers",
    "keep_reference",
    "keep_seen",
    "load_service_tests",
    "measure_groups",
    "read_seen",
    "recorded",
    "run_data_tests",
    "run_regression_tests",
    "score_draws",
    "score_groups",
    "serve_in_process",
]

__getattr__ = exports(
    __name__,
    {
        "EVALUATED": "_evaluated",
        "GROUP_METRICS": "_sensitive",
        "MAX_DIFFERENCE": "_evaluated",
        "AcceptanceTest": "_acceptance",
        "Client": "_client",
        "DataResult": "_results",
        "Draws": "_tests",
        "Evaluated": "_evaluated",
        "Exchange": "_evaluated",
        "Limits": "_acceptance",
        "PredictionError": "_client",
        "RecordingClient": "_client",
        "RegressionResult": "_results",
        "Scores": "_tests",
        "Sensitive": "_sensitive",
        "ServiceTests": "_service",
        "Stage": "_acceptance",
        "REFERENCE": "_reference",
        "Reference": "_reference",
        "keep_reference": "_reference",
        "TestResults": "_results",
        **dict.fromkeys(("Seen", "code_digest", "keep_seen", "read_seen"), "_seen"),
        "declared_of": "_goal",
        "fake_artifacts": "_in_process",
        "fake_features": "_features",
        "goal": "_goal",
        "recorded": "_recorded",
        "goal_of": "_goal",
        "import_part": "_import",
        "keep_answers": "_evaluated",
        "load_service_tests": "_service",
        "measure_groups": "_sensitive",
        "run_data_tests": "_tests",
        "run_regression_tests": "_tests",
        "score_draws": "_tests",
        "score_groups": "_tests",
        "serve_in_process": "_in_process",
    },
)
