"""Profile a file of Parquet with ydata-profiling, in its quickest form: no interactions, correlations or samples."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")


def main() -> None:
    """Read, profile, print what it took."""
    from ydata_profiling import ProfileReport  # noqa: PLC0415  its import is not measured

    began = time.perf_counter()
    rows = pd.read_parquet(sys.argv[1])
    told = json.loads(ProfileReport(rows, minimal=True, progress_bar=False).to_json())
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    nulls = told["variables"]["n0"]["n_missing"]
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "columns": len(told["variables"]), "nulls": nulls}))


if __name__ == "__main__":
    main()
