"""The service as its consumers see it. It starts, and its tests run, before any model is trained."""

import numpy as np
from fastapi import Depends
from rung.schema import Request
from rung.serving import Artifact, create_serving_app

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.response import Prediction
from experiments.{{service}}.train.models import to_frame


def predict(request: Request[Instance, Parameters], model=Depends(Artifact("build_model"))) -> list[Prediction]:
    """Answer each instance: one prediction for each, in the same order."""
    values = np.asarray(model.predict(to_frame(request.instances))).tolist()
    return [Prediction({{field}}=value) for value in values]


app = create_serving_app(predict=predict)
