"""The ledger's tables. Keys are texts of ids joined by `/`, which no id contains; documents are JSON in UTF-8.

`events` and `dead_letters` are what came in and are never changed but for retries; `activations` and `approvals` are what was said of
rules; `outbox`, `closures` and the closed and adjusted figures of `lines` are history too. `counters` give the numbers of events,
decisions, dead letters and closes; `positions` tell how far streams were read; `tenants` count a tenant's registrations and closes;
`histories` sum its events up; `performers` are there to be locked, `commits` tell what a session committed last. The rest is a function of
the events and can be made anew.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

metadata: Final = MetaData()
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in order of code points, as Python and SQLite have it, whatever the database's language."""
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""64 bits: instants and positions outgrow the `integer` of Postgres; SQLite's is as wide as the number."""


def _text(name: str, *, primary: bool = False, null: bool = False) -> Column[str]:
    return Column(name, TEXT, primary_key=primary, nullable=null)


def _number(name: str, *, primary: bool = False, null: bool = False) -> Column[int]:
    return Column(name, NUMBER, primary_key=primary, nullable=null, autoincrement=False)


def _document(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


settings = Table("settings", metadata, _text("name", primary=True), _text("value"))

rule_sets = Table("rule_sets", metadata, _text("digest", primary=True), _text("id"), _document("document"))

activations = Table(
    "activations", metadata,
    _number("seq", primary=True), _text("tenant", null=True), _text("first", null=True), _text("last", null=True), _text("digest"),
    _number("reverts", null=True), _text("plan", null=True), _text("by"), _text("reason"), _number("at"), _number("sent"),
)  # fmt: skip

approvals = Table(
    "approvals", metadata,
    _number("seq", primary=True), _text("digest"), _text("state"), _text("by"), _text("reason"), _number("at"),
)  # fmt: skip

histories = Table("histories", metadata, _text("tenant", primary=True), _number("events"), _document("sum"), sqlite_with_rowid=False)

events = Table(
    "events", metadata,
    _number("seq", primary=True), _text("tenant"), _text("source"), _text("id"), _text("type"), _text("subject"),
    _number("time"), _text("replaces", null=True), Column("digest", LargeBinary, nullable=False), _document("raw"),
    UniqueConstraint("tenant", "source", "id", name="events_identity"),
    Index("events_subject", "tenant", "subject"),
)  # fmt: skip

tombstones = Table(
    "tombstones", metadata,
    _text("tenant", primary=True), _text("identity", primary=True), _text("cause", primary=True), _number("time"),
    sqlite_with_rowid=False,
)  # fmt: skip

dead_letters = Table(
    "dead_letters", metadata,
    _number("seq", primary=True), _text("id"), _text("reason"), _text("message"), _text("origin"), _document("raw"),
    _text("tenant", null=True),
    UniqueConstraint("id", name="dead_letters_id"),
)  # fmt: skip

patients = Table("patients", metadata, _text("key", primary=True), _document("facts"))

months = Table("months", metadata, _text("key", primary=True), _document("facts"), _document("state"))

references = Table(
    "refs", metadata,
    _text("tenant", primary=True), _text("subject", primary=True), _text("patient", primary=True),
    sqlite_with_rowid=False,
)  # fmt: skip

registrations = Table(
    "registrations", metadata,
    _text("tenant", primary=True), _text("identity", primary=True), _text("kind"), _text("subject"), _number("valid_from"),
    _number("time"), _document("facts"),
    sqlite_with_rowid=False,
)  # fmt: skip

busy = Table(
    "busy", metadata,
    _text("tenant", primary=True), _text("performer", primary=True), _number("start", primary=True), _text("identity", primary=True),
    _number("end"), _text("patient"), _number("time"),
    sqlite_with_rowid=False,
)  # fmt: skip

conflicts = Table(
    "conflicts", metadata,
    _text("tenant", primary=True), _text("identity", primary=True), _text("other_identity", primary=True),
    _text("patient_key"), _text("other_patient"), _text("performer"), _number("start"), _number("end"),
    Index("conflicts_patient", "patient_key"),
    sqlite_with_rowid=False,
)  # fmt: skip

closures = Table(
    "closures", metadata,
    _number("seq", primary=True), _text("tenant"), _text("month"), _text("site", null=True), _text("identity"), _number("time"),
    Index("closures_month", "tenant", "month"),
)  # fmt: skip

due = Table(
    "due", metadata,
    _text("patient_key", primary=True), _text("month", primary=True), _text("cause", primary=True), _number("batch", primary=True),
    sqlite_with_rowid=False,
)  # fmt: skip

closings = Table(
    "closings", metadata,
    _text("month_key", primary=True), _number("closure", primary=True),
    sqlite_with_rowid=False,
)  # fmt: skip

lines = Table(
    "lines", metadata,
    _text("line_id", primary=True), _text("month_key"), _text("tenant"), _text("patient"), _text("month"), _text("program"),
    _text("practitioner"), _text("code"), _number("window", null=True), _text("status"), _number("revision"), _document("row"),
    _number("closed_units"), _number("closed_cents"), _text("closed_site", null=True), _number("adjusted_units"), _number("adjusted_cents"),
    Index("lines_month_key", "month_key"), Index("lines_month", "tenant", "month"), Index("lines_patient", "tenant", "patient"),
)  # fmt: skip

outbox = Table(
    "outbox", metadata,
    _number("sequence", primary=True), _text("id"), _text("type"), _text("tenant"), _document("event"),
    Index("outbox_type", "type", "sequence"),
)  # fmt: skip

counters = Table("counters", metadata, _text("name", primary=True), _number("value"), sqlite_with_rowid=False)

tenants = Table("tenants", metadata, _text("tenant", primary=True), _number("version"), sqlite_with_rowid=False)

performers = Table("performers", metadata, _text("key", primary=True), sqlite_with_rowid=False)

positions = Table(
    "positions", metadata,
    _text("topic", primary=True), _number("partition", primary=True), _number("next_offset"), _text("writer"), _number("moved_at"),
    sqlite_with_rowid=False,
)  # fmt: skip

commits = Table(
    "commits", metadata,
    _number("began", primary=True), _number("session", primary=True), _number("last"),
    sqlite_with_rowid=False,
)  # fmt: skip
