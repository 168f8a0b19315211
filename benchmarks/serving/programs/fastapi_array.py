"""Plain FastAPI as its tutorial has it: a `def` handler, Pydantic models, the model loaded at start."""

import os
from typing import Annotated

import joblib
from contract import Instance, Prediction
from fastapi import FastAPI
from features import to_array
from pydantic import BaseModel, Field


class PredictRequest(BaseModel):
    """The houses to value."""

    instances: Annotated[list[Instance], Field(min_length=1, max_length=1_000)]


class PredictResponse(BaseModel):
    """One price for each house."""

    predictions: list[Prediction]


model = joblib.load(os.environ["BENCH_MODEL"])
app = FastAPI()


@app.post("/predict")
def predict(request: PredictRequest) -> PredictResponse:
    """Value each house."""
    prices = model.predict(to_array(request.instances))
    return PredictResponse(predictions=[Prediction(price=price) for price in prices])
