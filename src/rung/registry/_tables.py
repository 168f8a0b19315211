"""The tables, as SQLAlchemy knows them; migrations make them. Times are RFC 3339 in UTC, which sorts as text."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()


def _one_of(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, unique=True, sqlite_where=text(where), postgresql_where=text(where))


events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("service", String(63), nullable=False),
    Column("major", Integer),
    Column("minor", Integer),
    Column("actor", String(200), nullable=False),
    Column("because", String, nullable=False),
    Column("data", JSON, nullable=False),
    Index("events_by_service", "service", "major", "id"),
    sqlite_autoincrement=True,
)

revisions = Table(
    "revisions",
    metadata,
    Column("service", String(63), primary_key=True),
    Column("major", Integer, primary_key=True),
    Column("minor", Integer, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("reason", String, nullable=False, server_default=""),
    Column("since", String(40), nullable=False),
    Column("created", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("run", String(120), nullable=False),
    Column("commit", String(64)),
    Column("dirty", Boolean, nullable=False),
    Column("environment", String(80)),
    Column("warm_until", String(40)),
    Column("promoted", String(40)),
    _one_of("one_incumbent", "service", "major", where="state = 'incumbent'"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("service", String(63), nullable=False),
    Column("started", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("record", JSON, nullable=False),
    Index("runs_by_service", "service", "started"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(63), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
    Column("outcome", String(20)),
    Column("because", String),
    Column("gate", String(20)),
    Column("gate_since", String(40)),
    Column("joint", Boolean, nullable=False, server_default=false()),
    _one_of("one_promotion", "service", "major", where="ended IS NULL AND NOT joint"),
    _one_of("one_attempt", "service", "major", "minor", where="ended IS NULL"),
    sqlite_autoincrement=True,
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("promotion", Integer, ForeignKey("promotions.id"), nullable=False),
    Column("gate", String(20), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("because", String, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("time", String(40), nullable=False),
    UniqueConstraint("promotion", "gate", name="one_verdict"),
    sqlite_autoincrement=True,
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("promotion", Integer, ForeignKey("promotions.id"), nullable=False, unique=True),
    Column("incumbent", String(120), nullable=False),
    Column("challenger", String(120), nullable=False),
    Column("design", JSON, nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
    Column("look", JSON),
)

splits = Table(
    "splits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment", String(64), ForeignKey("experiments.id"), nullable=False),
    Column("since", String(40), nullable=False),
    Column("applied", String(40)),
    Column("kind", String(20), nullable=False),
    Column("shares", JSON, nullable=False),
    Column("because", String, nullable=False),
    Column("actor", String(200), nullable=False),
    Index("splits_by_experiment", "experiment", "id"),
    sqlite_autoincrement=True,
)

arms = Table(
    "arms",
    metadata,
    Column("promotion", Integer, ForeignKey("promotions.id"), primary_key=True),
    Column("experiment", String(64), ForeignKey("experiments.id"), nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment", String(64), ForeignKey("experiments.id"), nullable=False),
    Column("time", String(40), nullable=False),
    Column("figures", JSON, nullable=False),
    Index("looks_by_experiment", "experiment", "id"),
    sqlite_autoincrement=True,
)

shadows = Table(
    "shadows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(63), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("started", String(40), nullable=False),
    Column("until", String(40)),
    Column("ended", String(40)),
    Column("actor", String(200), nullable=False),
    _one_of("one_shadow", "service", "major", "minor", where="ended IS NULL"),
    sqlite_autoincrement=True,
)

processes = Table(
    "processes",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("process", JSON, nullable=False),
    Column("started", String(40), nullable=False),
)
