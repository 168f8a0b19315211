"""The service's major, its routes, and the business metrics by which an A/B test decides."""

from datetime import timedelta
from enum import StrEnum

from rung.schema import ABTest, BusinessMetric

major = 1


class Route(StrEnum):
    """The endpoints; `create_serving_app` in serve/app.py takes a handler for each. Same request, same answer."""

    LARGE = "large"  # as right as can be, for what is published
    SMALL = "small"  # as quick as can be, for what is still being typed


ab_test = ABTest(
    unit_header="x-unit-id",
    share=0.5,
    alpha=0.05,
    power=0.8,
    deadline=timedelta(days=14),
    metrics=[
        BusinessMetric(
            name="agreed",
            kind="proportion",
            goal="maximize",
            role="decision",
            minimum_effect=0.03,
            priority="high",
            source="the writer, who keeps or corrects the mark on publishing; reported by the review page",
            proximity="how often a mark is right",
            fidelity="some writers keep wrong marks, of either revision alike",
        ),
        BusinessMetric(
            name="opposite",
            kind="proportion",
            goal="minimize",
            role="guardrail",
            minimum_effect=0.02,
            priority="high",
            source="the same correction, when it turns positive into negative or negative into positive",
            proximity="what writers complain about: praise that is marked as blame",
            fidelity="as for agreed: only what writers correct is seen",
        ),
    ],
)
