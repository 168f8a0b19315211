"""The service's major, its routes, and the business metrics by which an A/B test decides."""

from datetime import timedelta
from enum import StrEnum

from rung.schema import ABTest

major = 1


class Route(StrEnum):
    """The endpoints; `create_serving_app` in serve/app.py takes a handler for each."""

    PREDICT = "predict"


ab_test = ABTest(
    unit_header="x-unit-id",
    share=0.5,
    alpha=0.05,
    power=0.8,
    deadline=timedelta(days=14),
    metrics=[],  # still to be written: a BusinessMetric that decides; without one nothing is promoted
)
