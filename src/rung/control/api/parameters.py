"""What the API takes in paths and queries: nothing that the registry could not hold."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Query
from pydantic import Field

__all__ = ["Major", "Position", "ServiceName"]

ServiceName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Major: TypeAlias = Annotated[int, Field(ge=1, lt=10**9)]
Position: TypeAlias = Annotated[int, Query(ge=0, lt=2**53)]
"""Of an event, or in a log, bytes."""
