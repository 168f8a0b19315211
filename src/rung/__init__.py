"""Rung takes a machine learning service through its whole life.

Importing the package imports nothing else; take what you need from `rung.schema`, `rung.training`, `rung.serving`,
`rung.testing` and `rung.infrastructure`.
"""

__version__ = "0.1.0"
