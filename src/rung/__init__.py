"""Rung takes a machine learning service through its whole life.

Importing the package imports nothing else; take what you need from `rung.schema`, `rung.training`, `rung.serving`,
`rung.testing` and `rung.infrastructure`. In notebooks and scripts, `rung.load` gives a revision or a run, `rung.runs`
what is on record of runs, and `rung.record` puts a result on record.
"""

from rung._lazy import exports

__all__ = ["__version__", "load", "record", "runs"]

__version__ = "0.1.0"

__getattr__ = exports(__name__, {"load": "notebooks._load", "record": "notebooks._session", "runs": "notebooks._frame"})
