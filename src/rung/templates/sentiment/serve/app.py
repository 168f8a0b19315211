"""The service as its consumers see it. It starts, and its tests run, before any model is trained."""

from fastapi import Depends
from rung.schema import Request
from rung.serving import Artifact, create_serving_app

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.response import Prediction
from experiments.{{service}}.train.models import to_texts


def large(request: Request[Instance, Parameters], model=Depends(Artifact("build_large"))) -> list[Prediction]:
    """Read each sentence with the better model: one prediction per instance, in the same order."""
    return read(request, model)


def small(request: Request[Instance, Parameters], model=Depends(Artifact("build_small"))) -> list[Prediction]:
    """Read each sentence with the quicker model: one prediction per instance, in the same order."""
    return read(request, model)


def read(request: Request[Instance, Parameters], model) -> list[Prediction]:
    rows = model.predict_proba(to_texts(request.instances)).tolist()
    predictions = [Prediction(**dict(zip(model.classes_, row, strict=True))) for row in rows]
    return [tempered(prediction, request.parameters.temperature) for prediction in predictions]


def tempered(prediction: Prediction, temperature: float) -> Prediction:
    """Raise each probability to the power 1 / temperature, and make them a distribution again."""
    weights = {name: probability ** (1 / temperature) for name, probability in prediction}
    total = sum(weights.values())
    return Prediction(**{name: weight / total for name, weight in weights.items()})


app = create_serving_app(large=large, small=small)
