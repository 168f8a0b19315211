"""Where rows come from: files, folders, globs, object stores, HTTP, databases; and how each is read.

`rung.data.ingest` calls `find_any` for what sources consist of, and `read` for the rows of each piece. Whatever cannot
be read as a row comes back with the reason.

Trainings fetch single files by `fetched` and `objects`, also where there is no polars: names are imported when they are
first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.data.sources._files import CONTENT
    from rung.data.sources._find import Found, find, find_any
    from rung.data.sources._http import fetched
    from rung.data.sources._names import FILES
    from rung.data.sources._piece import Asked, Piece, Step, Tell, silent
    from rung.data.sources._public import public, scheme
    from rung.data.sources._read import bring, digest, read
    from rung.data.sources._s3 import objects
    from rung.data.sources._staged import UNREAD, Staged, spelled

__all__ = [
    "CONTENT",
    "FILES",
    "UNREAD",
    "Asked",
    "Found",
    "Piece",
    "Staged",
    "Step",
    "Tell",
    "bring",
    "digest",
    "fetched",
    "find",
    "find_any",
    "objects",
    "public",
    "read",
    "scheme",
    "silent",
    "spelled",
]

__getattr__ = exports(
    __name__,
    {
        "CONTENT": "_files",
        **dict.fromkeys(("Found", "find", "find_any"), "_find"),
        "fetched": "_http",
        "FILES": "_names",
        **dict.fromkeys(("Asked", "Piece", "Step", "Tell", "silent"), "_piece"),
        **dict.fromkeys(("public", "scheme"), "_public"),
        **dict.fromkeys(("bring", "digest", "read"), "_read"),
        "objects": "_s3",
        **dict.fromkeys(("UNREAD", "Staged", "spelled"), "_staged"),
    },
)
