"""Datasets: ingested from anywhere, in versions that never change, with statistics and contracts, read by their names.

A service's training reads `Dataset("houses")`; `rung data` is for everything else. Importing this package imports
neither polars nor deltalake.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.data._catalogue import Catalogue, open_catalogue
    from rung.data._contract import Checked, Refusal, check, check_rows, require
    from rung.data._dataset import Dataset, reading_from, resolve
    from rung.data._entry import Entry
    from rung.data._ingest import ingest
    from rung.data._ingest.result import Ingested
    from rung.data._names import check_dataset_name, parse_reference, reference
    from rung.data._notice import noticing
    from rung.data._unlisted import unlisted
    from rung.data._version import Facts, File, Version
    from rung.data._write import Append, How, Replace, Upsert

__all__ = [
    "Append",
    "Catalogue",
    "Checked",
    "Dataset",
    "Entry",
    "Facts",
    "File",
    "How",
    "Ingested",
    "Refusal",
    "Replace",
    "Upsert",
    "Version",
    "check",
    "check_dataset_name",
    "check_rows",
    "ingest",
    "noticing",
    "open_catalogue",
    "parse_reference",
    "reading_from",
    "reference",
    "require",
    "resolve",
    "unlisted",
]

__getattr__ = exports(
    __name__,
    {
        "Append": "_write",
        "Catalogue": "_catalogue",
        "Checked": "_contract",
        "Dataset": "_dataset",
        "Entry": "_entry",
        "Facts": "_version",
        "File": "_version",
        "How": "_write",
        "Ingested": "_ingest.result",
        "Refusal": "_contract",
        "Replace": "_write",
        "Upsert": "_write",
        "Version": "_version",
        "check": "_contract",
        "check_dataset_name": "_names",
        "ingest": "_ingest",
        "check_rows": "_contract",
        "noticing": "_notice",
        "open_catalogue": "_catalogue",
        "parse_reference": "_names",
        "reading_from": "_dataset",
        "reference": "_names",
        "require": "_contract",
        "resolve": "_dataset",
        "unlisted": "_unlisted",
    },
)
