"""The real pipeline as a Metaflow flow: `metaflow_real.py run --seed SEED`. The chain is generated beside it."""

from __future__ import annotations

import workload
from metaflow import FlowSpec, Parameter, step


class RealFlow(FlowSpec):
    """Four tasks; what a step sets on `self` is stored, and so are the ten figures."""

    seed = Parameter("seed", type=int, required=True)

    @step
    def start(self) -> None:
        """Make the rows."""
        self.rows = workload.load_rows(self.seed)
        self.next(self.split_rows)

    @step
    def split_rows(self) -> None:
        """Hold some rows out."""
        self.parts = workload.split_rows(self.rows)
        self.next(self.fit_forest)

    @step
    def fit_forest(self) -> None:
        """Fit the forest."""
        self.forest = workload.fit_forest(self.parts, self.seed)
        self.next(self.end)

    @step
    def end(self) -> None:
        """Score the forest."""
        self.figures = workload.score(self.parts, self.forest)


if __name__ == "__main__":
    RealFlow()
