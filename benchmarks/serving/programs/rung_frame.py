"""The service as Rung's authors write it; the same handler as in `fastapi_frame.py`."""

from typing import Annotated, Any

from contract import Instance, Prediction
from fastapi import Depends
from features import to_frame
from pydantic import BaseModel

from rung.schema import Request
from rung.serving import Artifact, create_serving_app


class Parameters(BaseModel):
    """Nothing that a consumer may tune."""


def predict(
    request: Request[Instance, Parameters], model: Annotated[Any, Depends(Artifact("build_model"))]
) -> list[Prediction]:
    """Value each house."""
    prices = model.predict(to_frame(request.instances))
    return [Prediction(price=price) for price in prices]


app = create_serving_app(predict=predict)
