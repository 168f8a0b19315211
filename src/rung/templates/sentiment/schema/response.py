"""What a consumer gets for each sentence: a probability for every class, not only the name of the likeliest."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ROUNDING = 1e-6  # by which three numbers of 32 bits may miss their sum

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Sentiment(StrEnum):
    """The classes, from one end to the other; each is a field of `Prediction`."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Prediction(BaseModel):
    """How readers would take a sentence. That it is a distribution is a promise: a model that breaks it gives an error.

    A name alone would hide whether a sentence is surely positive or only just; consumers draw that line differently.
    """

    model_config = ConfigDict(frozen=True)

    negative: Annotated[Probability, Field(description="probability that readers find it negative")]
    neutral: Annotated[Probability, Field(description="probability that they find it neither, or both")]
    positive: Annotated[Probability, Field(description="probability that they find it positive")]

    @model_validator(mode="after")
    def _is_distribution(self) -> Self:
        total = self.negative + self.neutral + self.positive
        if abs(total - 1) > ROUNDING:
            raise ValueError(f"the probabilities sum to {total:g}, not to 1")
        return self

    @property
    def likeliest(self) -> Sentiment:
        """The winning class, as consumers that show one see it; no field, since the three numbers say it."""
        return max(Sentiment, key=lambda sentiment: getattr(self, sentiment))
