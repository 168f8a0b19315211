"""MLflow beside Rung: runs and revisions mirrored to a tracking server, and what is there imported.

The process that mirrors (`python -m rung.mlflow.sync`) and `rung mlflow` call it. A training never does: it imports
nothing of MLflow and waits for nothing. Importing this package imports nothing of MLflow either.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.mlflow._connect import connect
    from rung.mlflow._import import Imported, import_runs
    from rung.mlflow._mirror import Mirrored, behind, mirror

__all__ = ["Imported", "Mirrored", "behind", "connect", "import_runs", "mirror"]

__getattr__ = exports(
    __name__,
    {
        "Imported": "_import",
        "Mirrored": "_mirror",
        "behind": "_mirror",
        "connect": "_connect",
        "import_runs": "_import",
        "mirror": "_mirror",
    },
)
