"""What a consumer sends: sentences. Part of the major's promise: fields are added, never changed or removed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from rung.schema import max_instances

EXAMPLE = {"text": "A charming film with a clever script, and I would gladly see it again."}


@max_instances(64)
class Instance(BaseModel):
    """One sentence of a review, in English."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    text: Annotated[
        str, Field(min_length=1, max_length=1_000, pattern=r"\S", description="the sentence, not only blanks")
    ]


class Parameters(BaseModel):
    """What a consumer may tune; it holds for all instances of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: Annotated[
        float,
        Field(
            ge=0.1,
            le=10,
            allow_inf_nan=False,
            description="1: as the model says; below: more decided; above: more even; never another order of classes",
        ),
    ] = 1.0
