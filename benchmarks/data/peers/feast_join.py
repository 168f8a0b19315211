"""The same join with Feast: `python feast_join.py FOLDER`, in its own environment. Prints seconds and peak memory."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ["FEAST_USAGE"] = "False"

import pandas as pd  # noqa: E402  after the warnings are off
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig  # noqa: E402
from feast.types import Float64  # noqa: E402
from feast.value_type import ValueType  # noqa: E402

FEATURES = [f"f{number}" for number in range(5)]


def main(folder: Path) -> None:
    """Join, and print what it took."""
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            registry=str(folder / "registry.db"),
            provider="local",
            offline_store={"type": "file"},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    house = Entity(name="house", join_keys=["house"], value_type=ValueType.INT64)
    view = FeatureView(
        name="stats",
        entities=[house],
        ttl=timedelta(days=3650),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="known"),
    )
    store.apply([house, view])
    spine = pd.read_parquet(folder / "spine.parquet").rename(columns={"time": "event_timestamp"})
    began = time.perf_counter()
    joined = store.get_historical_features(spine, [f"stats:{name}" for name in FEATURES]).to_df()
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    found = int(joined["f0"].notna().sum())
    total = float(joined["f0"].sum())
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "rows": len(joined), "found": found, "sum": total}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
