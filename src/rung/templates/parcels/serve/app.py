"""The service as its consumers see it: a number of a parcel in, a price out. Features are fetched inside."""

import numpy as np
import polars as pl
from fastapi import Depends
from rung.features import Features
from rung.schema import Request
from rung.serving import Artifact, create_serving_app

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.response import Prediction
from experiments.{{service}}.train.models import to_frame


def predict(
    request: Request[Instance, Parameters],
    model=Depends(Artifact("build_model")),
    register=Depends(Features("parcel")),
    prices=Depends(Features("block_prices")),
) -> list[Prediction]:
    """Value each house on its day: one prediction per instance, in the same order."""
    days = [instance.valued_on for instance in request.instances]
    parcels = register.of([instance.parcel for instance in request.instances], at=days)
    nearby = prices.of(parcels["block"], at=days)
    features = pl.concat([parcels.frame(), nearby.frame(), pl.DataFrame({"valued_on": days})], how="horizontal")
    step = request.parameters.round_to
    return [Prediction(price=price) for price in np.round(model.predict(to_frame(features)) / step) * step]


app = create_serving_app(predict=predict)
