"""What Rung takes by itself; the same handler as in `fastapi_constant.py`."""

from contract import Instance, Prediction
from pydantic import BaseModel

from rung.schema import Request
from rung.serving import create_serving_app


class Parameters(BaseModel):
    """Nothing that a consumer may tune."""


def predict(request: Request[Instance, Parameters]) -> list[Prediction]:
    """Value every house alike."""
    return [Prediction(price=1.0) for _ in request.instances]


app = create_serving_app(predict=predict)
