"""The tables, as SQLAlchemy knows them; migrations make them. Times are RFC 3339 in UTC, which sorts as text."""

from __future__ import annotations

from sqlalchemy import (
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

from rung.registry._columns import Document, Words

metadata = MetaData()

CONTROL = "control"
"""Name of the lease of control planes."""

_EXPERIMENT = String(64).with_variant(String(120), "postgresql")  # SQLite holds longer ones all the same


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
    Column("actor", Words(200), nullable=False),
    Column("because", Words, nullable=False),
    Column("data", Document, nullable=False),
    Index("events_by_service", "service", "major", "id"),
    Index("events_by_kind", "kind", "service", "major", "minor", "id"),
    sqlite_autoincrement=True,
)

revisions = Table(
    "revisions",
    metadata,
    Column("service", String(63), primary_key=True),
    Column("major", Integer, primary_key=True),
    Column("minor", Integer, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("reason", Words, nullable=False, server_default=""),
    Column("since", String(40), nullable=False),
    Column("created", String(40), nullable=False),
    Column("actor", Words(200), nullable=False),
    Column("run", String(120), nullable=False),
    Column("commit", String(64)),
    Column("dirty", Boolean, nullable=False),
    Column("environment", String(80)),
    Column("warm_until", String(40)),
    Column("promoted", String(40)),
    Column("origin", Document),
    _one_of("one_incumbent", "service", "major", where="state = 'incumbent'"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("service", String(63), nullable=False),
    Column("started", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("record", Document, nullable=False),
    Column("kind", String(20), nullable=False, server_default="training"),
    Index("runs_by_service", "service", "started"),
    Index("runs_by_kind", "kind", "started"),
    Index("runs_by_start", "started"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(63), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("actor", Words(200), nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
    Column("outcome", String(20)),
    Column("because", Words),
    Column("gate", String(20)),
    Column("gate_since", String(40)),
    Column("joint", Boolean, nullable=False, server_default=false()),
    Column("policy", Document),
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
    Column("because", Words, nullable=False),
    Column("evidence", Document, nullable=False),
    Column("time", String(40), nullable=False),
    UniqueConstraint("promotion", "gate", name="one_verdict"),
    sqlite_autoincrement=True,
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", _EXPERIMENT, primary_key=True),
    Column("promotion", Integer, ForeignKey("promotions.id"), nullable=False, unique=True),
    Column("incumbent", String(120), nullable=False),
    Column("challenger", String(120), nullable=False),
    Column("design", Document, nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
    Column("look", Document),
)

splits = Table(
    "splits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment", _EXPERIMENT, ForeignKey("experiments.id"), nullable=False),
    Column("since", String(40), nullable=False),
    Column("applied", String(40)),
    Column("kind", String(20), nullable=False),
    Column("shares", Document, nullable=False),
    Column("because", Words, nullable=False),
    Column("actor", Words(200), nullable=False),
    Index("splits_by_experiment", "experiment", "id"),
    sqlite_autoincrement=True,
)

arms = Table(
    "arms",
    metadata,
    Column("promotion", Integer, ForeignKey("promotions.id"), primary_key=True),
    Column("experiment", _EXPERIMENT, ForeignKey("experiments.id"), nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment", _EXPERIMENT, ForeignKey("experiments.id"), nullable=False),
    Column("time", String(40), nullable=False),
    Column("figures", Document, nullable=False),
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
    Column("actor", Words(200), nullable=False),
    _one_of("one_shadow", "service", "major", "minor", where="ended IS NULL"),
    sqlite_autoincrement=True,
)

processes = Table(
    "processes",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("process", Document, nullable=False),
    Column("started", String(40), nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("promotion", Integer, ForeignKey("promotions.id"), nullable=False),
    Column("actor", Words(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("approves", Boolean, nullable=False),
    Column("because", Words, nullable=False),
    Column("time", String(40), nullable=False),
    UniqueConstraint("promotion", "actor", "approves", name="one_approval"),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("hash", String(200), nullable=False),
    Column("grants", Document, nullable=False),
    Column("created", String(40), nullable=False),
    Column("expires", String(40), nullable=False),
    Column("actor", Words(200), nullable=False),
    Column("revoked", String(40)),
)

consumers = Table(
    "consumers",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("service", String(63)),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", String(40), nullable=False),
    Column("actor", Words(200), nullable=False),
    Column("revoked", String(40)),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("service", String(63), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer),
    Column("kind", String(20), nullable=False),
    Column("subject", Words(300), nullable=False),
    Column("against", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("because", Words, nullable=False),
    Column("owner", Words(200), nullable=False),
    Column("suspects", Document, nullable=False),
    Column("next", Words, nullable=False),
    Column("data", Document, nullable=False),
    Column("opened", String(40), nullable=False),
    Column("seen", String(40), nullable=False),
    Column("times", Integer, nullable=False),
    Column("quiet", Integer, nullable=False),
    Column("closed", String(40)),
    Column("ending", Words),
    Column("held", Boolean, nullable=False),
    Column("said", Document, nullable=False),
    Column("silenced_until", String(40)),
    Index("alerts_by_service", "service", "id"),
    _one_of("one_alert", "service", "major", "kind", "subject", "against", where="closed IS NULL"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("alert", Integer, ForeignKey("alerts.id")),
    Column("channel", String(63), nullable=False),
    Column("what", String(20), nullable=False),
    Column("body", Document, nullable=False),
    Column("made", String(40), nullable=False),
    Column("due", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Words, nullable=False),
    Column("sent", String(40)),
    Column("given_up", String(40)),
    Index(
        "deliveries_waiting",
        "made",
        sqlite_where=text("sent IS NULL AND given_up IS NULL"),
        postgresql_where=text("sent IS NULL AND given_up IS NULL"),
    ),
)


leases = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("place", String, nullable=False),
    Column("expires", Float, nullable=False),
    Column("ttl_s", Float, nullable=False),
)
