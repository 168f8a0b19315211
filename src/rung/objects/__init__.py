"""One way to everything that lies in an object store, or in a folder as in one: artifacts, runs, revisions, backups.

`open_objects("s3://bucket/prefix")` needs the extra `rung[s3]`; a folder needs nothing.
"""

from rung.objects._connection import scan_options, table_options
from rung.objects._folder import FolderObjects
from rung.objects._objects import Entry, Objects
from rung.objects._open import open_objects
from rung.objects._probe import probe
from rung.objects._tree import pack, unpack

__all__ = [
    "Entry",
    "FolderObjects",
    "Objects",
    "open_objects",
    "pack",
    "probe",
    "scan_options",
    "table_options",
    "unpack",
]
