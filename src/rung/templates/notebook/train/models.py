"""What training and serving share: the one way between instances and rows, and what the notebook defined."""

from typing import Any

{{shared_imports}}
from experiments.{{service}}.schema.request import Instance

{{shared}}

def to_frame(instances: list[Instance]) -> Any:
    """Give the rows that the model sees, one for each instance, in order."""
    return {{to_frame}}


def to_instances(rows: Any) -> list[Instance]:
    """Parse rows by the schema: what training holds out is what serving accepts."""
    return [Instance.model_validate(one) for one in {{to_fields}}]
