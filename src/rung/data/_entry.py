"""What people say of a dataset: its entry in the catalogue."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Entry"]

_Column = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=2_000)]
_Word = Annotated[str, Field(min_length=1, max_length=100)]


class Entry(BaseModel):
    """Who makes a dataset, what it means, what its producer promises, and how it is ingested."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    description: _Text = ""
    owner: Annotated[str, Field(max_length=200)] = ""
    """Whom to ask."""
    tags: Annotated[list[_Word], Field(max_length=100)] = Field(default_factory=list)
    licence: Annotated[str, Field(max_length=200)] = ""
    """Under which the data may be used, as an SPDX identifier or a sentence."""
    columns: dict[_Column, _Text] = Field(default_factory=dict)
    """What each column means."""
    freshness_s: Annotated[int, Field(ge=1)] | None = None
    """The producer's promise: a new version at least this often, seconds."""
    completeness: Annotated[float, Field(ge=0, le=1)] | None = None
    """The producer's promise: at least this share of a version's values is not null."""
    shared_with: Annotated[list[_Word], Field(max_length=1_000)] = Field(default_factory=list)
    """Teams or services that may rely on it."""
    key: Annotated[list[_Column], Field(max_length=20)] = Field(default_factory=list)
    """Columns that tell rows apart."""
    time: _Column | None = None
    """Column that tells when a row came to be."""
    contract: Annotated[str, Field(max_length=300)] | None = None
    """What each row must be: `experiments.housing.schema.data:House`."""
