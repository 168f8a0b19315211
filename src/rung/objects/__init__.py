"""One way to everything that lies in an object store, or in a folder as in one: artifacts, runs, revisions, backups.

`open_objects("s3://bucket/prefix")` needs the extra `rung[s3]`; a folder needs nothing. Each name is imported when
it is first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
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

__getattr__ = exports(
    __name__,
    {
        "Entry": "_objects",
        "FolderObjects": "_folder",
        "Objects": "_objects",
        "open_objects": "_open",
        "pack": "_tree",
        "probe": "_probe",
        "scan_options": "_connection",
        "table_options": "_connection",
        "unpack": "_tree",
    },
)
