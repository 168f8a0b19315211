"""What a consumer gets for each house."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Prediction(BaseModel):
    """The valuation of one house. The bounds are a promise: a model that breaks them gives an error, not an answer."""

    model_config = ConfigDict(frozen=True)

    price: Annotated[float, Field(gt=0, allow_inf_nan=False, description="expected sale price on that day, dollars")]
