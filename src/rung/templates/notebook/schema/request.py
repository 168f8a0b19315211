"""What a consumer sends. Part of the major's promise: fields are added, never changed or removed.

Names and kinds are those of the notebook's example. Still to be written: what each field means, and its bounds.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from rung.schema import max_instances

{{example}}


@max_instances(64)
class Instance(BaseModel):
    """One row as the model sees it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

{{instance}}


class Parameters(BaseModel):
    """What a consumer may tune; it holds for all instances of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)
