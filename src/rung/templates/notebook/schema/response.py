"""What a consumer gets for each instance. Still to be written: what it means, in which unit, and its bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Prediction(BaseModel):
    """The answer for one instance. Bounds are promises: a model that breaks them gives an error, not an answer."""

    model_config = ConfigDict(frozen=True)

    {{field}}: {{type}}
