"""Files in the folders of datasets that belong to nothing: of writers that were killed. `rung gc` takes them away.

That is all the upkeep that datasets need. A version is read by its manifest, which lists its files, so nothing that a
table's log says has to be kept in order for it; and its files are never joined, since versions that are kept name them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from rung.objects import Entry, open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.data._catalogue import Catalogue
    from rung.data._shelf import Shelf

__all__ = ["unlisted"]

_FILE: Final = re.compile(r"([a-z][a-z0-9_.]*)/(part-[0-9a-f]{24}\.parquet)")
"""As `_write` names files."""


def unlisted(catalogue: Catalogue, *, before: float) -> Iterator[Entry]:
    """Give the files that no version and no commit names, by their keys below the catalogue's root.

    Args:
        catalogue: All datasets.
        before: Younger files are left alone: a writer may be about to name them. Seconds since 1970.

    Raises:
        UnavailableError: The disk or the store does not answer.
    """
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in open_objects(catalogue.root).entries():
        if (named := _FILE.fullmatch(entry.key)) and entry.modified < before:
            found[named[1]].append(entry)
    for name, entries in sorted(found.items()):
        listed = _listed(catalogue.shelf(name))
        yield from (entry for entry in entries if entry.key.rpartition("/")[2] not in listed)


def _listed(shelf: Shelf) -> set[str]:
    from rung.data._table import DatasetTable  # noqa: PLC0415  deltalake comes with the first table

    committed = set(DatasetTable(shelf.uri).files())  # first: what is committed later has younger files
    versions = (shelf.read(number) for number in shelf.numbers())
    return committed | {file.path for version in versions if version is not None for file in version.files}
