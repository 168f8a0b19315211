"""The service that is attacked: it doubles numbers, and takes anything that its schema takes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rung.schema import Request, max_instances
from rung.serving import create_serving_app


@max_instances(100)
class Instance(BaseModel):
    x: Annotated[float, Field(ge=-1e300, le=1e300)]
    note: str = ""
    whole: int = 0
    rest: Any = None


class Parameters(BaseModel):
    offset: float = 0.0


class Prediction(BaseModel):
    y: float


def predict(request: Request[Instance, Parameters]) -> list[Prediction]:
    return [Prediction(y=2 * instance.x + request.parameters.offset) for instance in request.instances]


app = create_serving_app(predict=predict)
