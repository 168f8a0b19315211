"""Statistics of versions, as they are asked for."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import polars as pl
from typed import typed

if TYPE_CHECKING:
    from pathlib import Path


def rung(root: Path, *words: str) -> str:
    ended = typed(root, "data", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_what_changed_is_told_at_ingest_and_drawn(tmp_path: Path):
    (tmp_path / "rung.toml").write_text("")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    rows = pl.select(price=pl.int_range(1_000), street=pl.lit("paved"))
    rows.write_csv(tmp_path / "a.csv")
    rows.with_columns(pl.col("price") + 5_000, street=pl.lit("mud")).write_csv(tmp_path / "b.csv")

    assert "moved" not in rung(tmp_path, "ingest", "a.csv", "--name", "houses")
    told = rung(tmp_path, "ingest", "b.csv", "--name", "houses").splitlines()
    assert told[1].startswith("  street moved much: 'paved' went from 100 % to 50.0 % of the values")
    assert told[-1] == "  1 smaller change: rung data diff houses"

    shown = rung(tmp_path, "show", "houses", "--html", "page.html")
    street = next(line for line in shown.splitlines() if line.startswith("street"))
    assert "██" in street
    assert "mud (1,000), paved (1,000)" in street
    page = (tmp_path / "page.html").read_text()
    assert "price moved much: its median rose from 499.5 to " in page
    assert '<polyline class="before"' in page
    assert "https://" not in page

    changes = json.loads(rung(tmp_path, "diff", "houses", "--json"))["statistics"]
    assert "street has values that it never had: 'mud' (50.0 %)" in [change["told"] for change in changes]
    assert [change["size"] for change in changes] == sorted((change["size"] for change in changes), reverse=True)
