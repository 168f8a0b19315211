"""Trials on a Ray cluster are runs as those of this machine are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ray_cluster import ray_cluster
from tuned_shop import make_shop

if TYPE_CHECKING:
    from pathlib import Path


def test_trials_run_on_a_cluster(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    with ray_cluster(cpus=2) as cluster:
        words = ("tune", "tiny", "--trials", "2", "--parallel", "2", "--seeds", "0")
        study = shop.asked(*words, "--compute", "ray", "--address", cluster.address)
    runs = {run["id"]: run for run in json.loads(shop.shown("runs", "list", "--kind", "trial", "--json"))}
    assert [runs[one["run"]]["source"] for one in study["trials"]] == ["tiny-1#0", "tiny-1#1"]
    assert study["trials"][0]["state"] == "succeeded"
    assert study["trials"][0]["value"] == runs[study["trials"][0]["run"]]["metrics"]["mean_error"]
