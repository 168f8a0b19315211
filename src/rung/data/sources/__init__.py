"""Where rows come from: files, folders, globs, object stores, HTTP, databases; and how each is read.

`rung.data.ingest` calls `find_any` for what sources consist of, and `read` for the rows of each piece. Whatever cannot
be read as a row comes back with the reason.
"""

from rung.data.sources._files import CONTENT
from rung.data.sources._find import Found, find, find_any
from rung.data.sources._names import FILES
from rung.data.sources._piece import Asked, Piece, Step, Tell, silent
from rung.data.sources._public import public, scheme
from rung.data.sources._read import bring, digest, read
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
    "find",
    "find_any",
    "public",
    "read",
    "scheme",
    "silent",
    "spelled",
]
