"""A workspace's state in another place, while everything runs, and back from there.

Called by `rung backup` and `rung restore`. What a backup holds, it holds by digest: the next one into the same place
copies what is new.
"""

from rung.backup._check import check
from rung.backup._make import back_up
from rung.backup._manifest import File, Manifest, TableVersion, read_manifest
from rung.backup._report import Report
from rung.backup._restore import differs, restore
from rung.backup._sweep import sweep, unneeded

__all__ = [
    "File",
    "Manifest",
    "Report",
    "TableVersion",
    "back_up",
    "check",
    "differs",
    "read_manifest",
    "restore",
    "sweep",
    "unneeded",
]
