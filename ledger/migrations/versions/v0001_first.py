"""The first schema.

Its tables are spelled by `ledger.schema` as far as no later version changed them, and here where one did.
"""

from alembic import op
from sqlalchemy import Column, MetaData, Table

from ledger.schema import NUMBER, TEXT, metadata

revision = "0001"
down_revision = None

UNCHANGED = (
    "settings", "rule_sets", "events", "tombstones", "dead_letters", "patients", "months", "refs", "registrations", "busy", "conflicts",
    "closures", "closings", "lines", "outbox",
)  # fmt: skip
CHANGED = MetaData()
Table(
    "due", CHANGED,
    Column("patient_key", TEXT, primary_key=True), Column("month", TEXT, primary_key=True), Column("cause", TEXT, primary_key=True),
    Column("time", NUMBER, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip


def upgrade() -> None:
    """Create all tables."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in UNCHANGED])
    CHANGED.create_all(op.get_bind())
