"""The service as its consumers see it. It starts, and its tests run, before any model is trained."""

import numpy as np
from fastapi import Depends
from rung.schema import Request
from rung.serving import Artifact, create_serving_app

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.response import Prediction
from experiments.{{service}}.train.models import to_frame


def predict(request: Request[Instance, Parameters], model=Depends(Artifact("build_model"))) -> list[Prediction]:
    """Value each house: one prediction per instance, in the same order."""
    step = request.parameters.round_to
    prices = np.round(model.predict(to_frame(request.instances)) / step) * step
    return [Prediction(price=price) for price in prices]


app = create_serving_app(predict=predict)
