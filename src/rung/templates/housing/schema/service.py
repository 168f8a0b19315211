"""The service's major, its routes, and the business metrics by which an A/B test decides."""

from datetime import timedelta
from enum import StrEnum

from rung.schema import ABTest, BusinessMetric, Score

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
    metrics=[
        BusinessMetric(
            name="within_10_percent",
            kind="proportion",
            goal="maximize",
            role="decision",
            minimum_effect=0.03,
            priority="high",
            source="sale price, reported by the consumer",
            proximity="how often an offer would have been right",
            fidelity="the contract's price; a house that is not sold is never reported",
            score=Score(truth="sale_price", field="price", how="within", tolerance=0.1),
        )
    ],
)
