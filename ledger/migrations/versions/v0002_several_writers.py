"""Several writers at once: numbers come from counters, a row of the due queue tells its transaction, streams have positions."""

from alembic import op
from sqlalchemy import func, insert, literal, select

from ledger import schema
from ledger.migrations.versions.v0001_first import CHANGED
from ledger.schema import metadata

revision = "0002"
down_revision = "0001"

NEW = ("counters", "tenants", "performers", "positions")
NUMBERED = {
    "events": schema.events.c.seq,
    "outbox": schema.outbox.c.sequence,
    "letters": schema.dead_letters.c.seq,
    "closures": schema.closures.c.seq,
}
OLD_DUE = CHANGED.tables["due"]


def upgrade() -> None:
    """Create the new tables, start the counters at the greatest numbers given, keep what is due."""
    connection = op.get_bind()
    metadata.create_all(connection, tables=[metadata.tables[name] for name in NEW])
    for name, column in NUMBERED.items():
        connection.execute(
            insert(schema.counters).from_select(["name", "value"], select(literal(name), func.coalesce(func.max(column), 0)))
        )
    connection.execute(insert(schema.counters).values(name="burials", value=0))
    t = OLD_DUE.c
    waiting = connection.execute(select(t.patient_key, t.month, t.cause, literal(0).label("batch"))).mappings().all()
    OLD_DUE.drop(connection)
    schema.due.create(connection)
    if waiting:
        connection.execute(insert(schema.due), [dict(row) for row in waiting])
