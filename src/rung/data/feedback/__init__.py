"""What a service answered and what came of it, as a dataset: `housing.predictions`, one row for each instance.

`rung data feedback` and the control plane refresh it; trainings and features read it as any other dataset.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.data.feedback._refresh import DOCUMENT, Refreshed, dataset_of, refresh

__all__ = ["DOCUMENT", "Refreshed", "dataset_of", "refresh"]

__getattr__ = exports(
    __name__, {"DOCUMENT": "_refresh", "Refreshed": "_refresh", "dataset_of": "_refresh", "refresh": "_refresh"}
)
