"""Business metrics and the A/B test that decides by them; both belong to the major."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rung.schema._rollout import Bandit, Limits, RampStep, Shadowing

if TYPE_CHECKING:
    from collections.abc import Iterator

_METRIC = r"^[a-z][a-z0-9_]{0,62}$"
_Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class Score(BaseModel):
    """How a prediction is scored once the truth is known: what the metric would have been, whoever predicted it.

    A shadow's predictions reach nobody, so no consumer can report the metric for them. With the truth as an outcome of
    its own, both predictions of the same request are scored on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    truth: Annotated[str, Field(pattern=_METRIC, description="outcome that holds the truth, as consumers report it")]
    field: Annotated[str, Field(min_length=1, max_length=200, description="of the prediction, as in its schema")]
    how: Annotated[
        Literal["equal", "within", "absolute_error", "squared_error"],
        Field(description="within: 1 when it is off by at most `tolerance` of the truth, else 0"),
    ]
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False, description="share of the truth")] = 0.0

    def of(self, prediction: Any, truth: float) -> float | None:
        """Score one prediction; None when it has no such number.

        >>> Score(truth="price", field="price", how="within", tolerance=0.1).of({"price": 95.0}, 100.0)
        1.0
        """
        value = prediction.get(self.field) if isinstance(prediction, dict) else None
        if not isinstance(value, int | float):
            return None
        match self.how:
            case "equal":
                return float(value == truth)
            case "within":
                return float(abs(value - truth) <= self.tolerance * abs(truth))
            case "absolute_error":
                return abs(value - truth)
            case "squared_error":
                return (value - truth) ** 2


class BusinessMetric(BaseModel):
    """A measurement of what the product is for, reported by consumers after the prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_METRIC, description="as consumers report it")]
    kind: Annotated[
        Literal["proportion", "mean", "ratio"],
        Field(description="proportion: 0 or 1 per unit; mean: a number per unit; ratio: sum over sum"),
    ]
    goal: Annotated[Literal["maximize", "minimize"], Field(description="which way is better")]
    role: Annotated[
        Literal["decision", "guardrail"],
        Field(description="decision: the A/B test is won by it; guardrail: must not get worse"),
    ]
    minimum_effect: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="smallest difference worth having, in the metric's own unit, absolute",
        ),
    ]
    priority: Annotated[Literal["high", "low"], Field(description="high without data puts the service on hold")] = (
        "high"
    )
    source: Annotated[_Text, Field(description="where the truth comes from")]
    proximity: Annotated[_Text, Field(description="how near it is to what the product is for")]
    fidelity: Annotated[
        _Text | None, Field(description="how far what is reported can be trusted; without it: no promotion")
    ] = None
    available: Annotated[
        bool, Field(description="whether the truth can be had today; False: it has to be asked for first")
    ] = True
    data_within: Annotated[
        timedelta,
        Field(gt=timedelta(0), description="within which an outcome is expected while production is answered"),
    ] = timedelta(days=14)
    score: Annotated[
        Score | None, Field(description="how it follows from a prediction and the truth, for shadows; None: unknown")
    ] = None

    @property
    def lacks(self) -> tuple[str, ...]:
        """Name what every metric must say and this one does not."""
        missing = [] if self.fidelity else ["fidelity"]
        return (*missing, *sorted({"priority"} - self.model_fields_set))

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.kind == "proportion" and self.minimum_effect >= 1:
            raise ValueError(
                f"a proportion cannot change by {self.minimum_effect:g}: write three percentage points as 0.03"
            )
        return self


class ABTest(BaseModel):
    """How challenger and incumbent are compared in production."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit_header: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="request header that names the unit")
    ] = "x-unit-id"
    share: Annotated[float, Field(gt=0, lt=1, description="of the units that the challenger gets")] = 0.5
    alpha: Annotated[float, Field(gt=0, lt=0.5, description="chance of promoting a challenger that is not better")] = (
        0.05
    )
    power: Annotated[
        float, Field(gt=0.5, lt=1, description="chance of promoting one that is better by minimum_effect")
    ] = 0.8
    deadline: Annotated[
        timedelta, Field(gt=timedelta(0), description="after which no decision means: the incumbent stays")
    ] = timedelta(days=14)
    metrics: Annotated[tuple[BusinessMetric, ...], Field(description="none: no promotion")] = ()
    replay: Annotated[
        int, Field(ge=0, le=5_000, description="recorded production requests that a candidate must answer first")
    ] = 200
    replay_agreement: Annotated[
        float, Field(ge=0, le=1, description="share of equal answers to them below which the candidate is torn down")
    ] = 0.0
    shadow: Annotated[Shadowing | None, Field(description="mirrored traffic before the test; None: none")] = None
    ramp: Annotated[tuple[RampStep, ...], Field(description="smaller shares before `share`, in their order")] = ()
    limits: Annotated[Limits, Field(description="what ends the test at once")] = Limits()
    bandit: Annotated[
        Bandit | None, Field(description="shares that follow the evidence, in place of `share` and `ramp`")
    ] = None

    @model_validator(mode="after")
    def _one_decides(self) -> Self:
        names = [metric.name for metric in self.metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two business metrics are named {', '.join(twice)}")
        deciding = [metric.name for metric in self.metrics if metric.role == "decision"]
        if self.metrics and len(deciding) != 1:
            raise ValueError(f"exactly one business metric decides an A/B test, not {len(deciding)}: {deciding}")
        return self

    @model_validator(mode="after")
    def _grows(self) -> Self:
        shares = [*(step.share for step in self.ramp), self.share]
        if any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError(f"a ramp grows towards the share of the test, but its shares are {shares}")
        if self.bandit is not None and self.ramp:
            raise ValueError("a bandit sets the shares by itself: declare either `bandit` or `ramp`")
        return self

    @property
    def decision(self) -> BusinessMetric | None:
        """The metric by which the test is won."""
        return next((metric for metric in self.metrics if metric.role == "decision"), None)

    @property
    def guardrails(self) -> tuple[BusinessMetric, ...]:
        """The metrics that must not get worse."""
        return tuple(metric for metric in self.metrics if metric.role == "guardrail")

    def breaks(self, other: ABTest) -> tuple[str, ...]:
        """Say where this promises less than another A/B test of the same major: business metrics belong to the major.

        What decides stays what it is, no guardrail goes or widens, a wrong promotion is not more likely, and units are
        named by the same header. Metrics may be added; how long and how widely is tested is free.

        Args:
            other: That of the revision that is to be beaten.

        >>> ABTest(alpha=0.1).breaks(ABTest())
        ('alpha is 0.1, and was 0.05',)
        """
        return (*_gone(self, other), *_weaker(self, other))


def _gone(now: ABTest, before: ABTest) -> Iterator[str]:
    if before.decision is not None and _told(before.decision) != (now.decision and _told(now.decision)):
        yield f"it does not decide by {_told(before.decision)} any more"
    kept = {_told(metric) for metric in now.metrics}
    for guardrail in map(_told, before.guardrails):
        if guardrail not in kept:
            yield f"the guardrail {guardrail} is gone"


def _weaker(now: ABTest, before: ABTest) -> Iterator[str]:
    margins = {metric.name: metric.minimum_effect for metric in now.guardrails}
    for guardrail in before.guardrails:
        if (margin := margins.get(guardrail.name, 0.0)) > guardrail.minimum_effect:
            yield f"minimum_effect of {guardrail.name} is {margin:g}, and was {guardrail.minimum_effect:g}"
    if now.alpha > before.alpha:
        yield f"alpha is {now.alpha:g}, and was {before.alpha:g}"
    if now.unit_header != before.unit_header:
        yield f"unit_header is {now.unit_header}, and was {before.unit_header}"


def _told(metric: BusinessMetric) -> str:
    return f"{metric.name} ({metric.kind}, {metric.goal})"
