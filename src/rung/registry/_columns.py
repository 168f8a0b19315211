"""Types of columns that SQLite and PostgreSQL hold alike, whatever an author's code gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, String, Text, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine


class Document(TypeDecorator[Any]):
    """JSON data. PostgreSQL keeps the text of it: its own JSON knows no NaN, which a metric may well be."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the database."""
        return Text() if dialect.name == "postgresql" else dialect.type_descriptor(JSON(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Spell it, where the database keeps text."""
        return json.dumps(value) if dialect.name == "postgresql" and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read it."""
        return json.loads(value) if dialect.name == "postgresql" and value is not None else value


class Words(TypeDecorator[str]):
    """Text of people and programs. PostgreSQL takes no NUL, which the last line of a log may hold: it is shown as ␀."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make NUL visible."""
        del dialect
        return None if value is None else value.replace("\0", "\N{SYMBOL FOR NULL}")
