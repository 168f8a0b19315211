"""`Dataset("houses")`: what authors read in a training, and which version that was."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rung.data._catalogue import open_catalogue
from rung.data._names import check_dataset_name, parse_reference
from rung.data._notice import tell
from rung.errors import CallError, NotFoundError
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import polars as pl
    from pydantic import BaseModel

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version

__all__ = ["Dataset", "reading_from", "resolve"]

PINS: Final = "RUNG_PINS"
"""Variable that pins versions for a run that is repeated: `houses@3,sales@1`."""

_catalogue: ContextVar[Catalogue | None] = ContextVar("catalogue", default=None)


class Dataset:
    """A dataset to read, its newest version unless another one is asked for.

    Which version that is is settled once, when it is first read, and a training puts it on record together with the
    digest of its content: `rung reproduce` reads the same rows. Its task's output is taken from the cache only while
    the same version would be read.

    Args:
        name: As in `rung data list`.
        version: Its number; None: the newest.
        as_of: The version that was newest at this instant, which has a time zone.
        contract: What each row must be, as a Pydantic model. A reader gets no row of a dataset that breaks it.

    >>> Dataset("houses", version=3)
    Dataset('houses', version=3)
    """

    def __init__(
        self,
        name: str,
        *,
        version: int | None = None,
        as_of: datetime | None = None,
        contract: type[BaseModel] | None = None,
    ) -> None:
        self.name = check_dataset_name(name)
        if version is not None and (isinstance(version, bool) or version < 1):
            raise CallError(f"{name!r} has no version {version!r}", hint="versions count from 1")
        if version is not None and as_of is not None:
            raise CallError(f"of {name!r}, a version and an instant are asked for", hint="give one of them")
        self.asked_version = version
        self.asked_as_of = as_of
        self.contract = contract

    def __repr__(self) -> str:
        given = {"version": self.asked_version, "as_of": self.asked_as_of, "contract": self.contract}
        told = "".join(
            f", {name}={value.__name__ if isinstance(value, type) else repr(value)}"
            for name, value in given.items()
            if value is not None
        )
        return f"Dataset({self.name!r}{told})"

    @cached_property
    def version(self) -> Version:
        """The version that is read.

        Raises:
            NotFoundError: There is no such dataset, or no such version.
        """
        return resolve(_open(), self.name, version=self.asked_version, as_of=self.asked_as_of)

    @property
    def ref(self) -> str:
        """As `houses@3`."""
        return self.version.ref

    @property
    def number(self) -> int:
        """Number of the version."""
        return self.version.number

    @property
    def digest(self) -> str:
        """Digest over all bytes of the version."""
        return self.version.digest

    def scan(self) -> pl.LazyFrame:
        """Give the rows, lazily: what a query does not ask for is not read.

        Raises:
            NotFoundError: There is no such dataset, or no such version.
            SchemaError: Rows break the contract.
        """
        tell(self)
        rows = _open().scan(self.version)
        if self.contract is not None:
            from rung.data._contract import require  # noqa: PLC0415  polars comes with the first rows

            require(rows, self.contract, what=self.ref)
        return rows

    def polars(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Give the rows as a polars frame; of these columns, or all.

        Raises:
            NotFoundError: There is no such dataset, version or column.
        """
        rows = self.scan()
        if columns is None:
            return rows.collect()
        missing = [name for name in columns if name not in self.version.columns]
        if missing:
            raise NotFoundError(
                f"{self.ref} has no column {', '.join(missing)}", hint=f"it has {', '.join(self.version.columns)}"
            )
        return rows.select(columns).collect()

    def pandas(self, columns: Sequence[str] | None = None) -> Any:
        """As `polars`, as a pandas frame; needs pandas and pyarrow."""
        return self.polars(columns).to_pandas()

    def arrow(self, columns: Sequence[str] | None = None) -> Any:
        """As `polars`, as an Arrow table; needs pyarrow."""
        return self.polars(columns).to_arrow()


def resolve(catalogue: Catalogue, name: str, *, version: int | None = None, as_of: datetime | None = None) -> Version:
    """Find the version that is meant, as it was pinned where a run is repeated.

    Raises:
        NotFoundError: There is none.
    """
    pins = dict(parse_reference(pin) for pin in os.environ.get(PINS, "").split(",") if pin)
    if version is None and name in pins:
        return catalogue.version(name, pins[name])
    return catalogue.version(name, version, as_of=as_of)


@contextlib.contextmanager
def reading_from(catalogue: Catalogue) -> Iterator[None]:
    """Read datasets of this catalogue inside the block, and not of the workspace that the folder lies in."""
    token = _catalogue.set(catalogue)
    try:
        yield
    finally:
        _catalogue.reset(token)


def _open() -> Catalogue:
    return _catalogue.get() or open_catalogue(find())
