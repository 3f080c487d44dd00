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
    "events": schema.events.c.seq, "outbox": schema.outbox.c.sequence, "letters": schema.dead_letters.c.seq, "closures": schema.closures.c.seq,
}  # fmt: skip
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
    waiting = connection.execute(select(OLD_DUE)).mappings().all()
    OLD_DUE.drop(connection)
    schema.due.create(connection)
    if waiting:
        connection.execute(insert(schema.due), [{**row, "batch": 0} for row in waiting])


def downgrade() -> None:
    """Back to a ledger of one writer; how far streams were read is lost."""
    connection = op.get_bind()
    t = schema.due.c
    waiting = connection.execute(select(t.patient_key, t.month, t.cause, func.max(t.time)).group_by(t.patient_key, t.month, t.cause)).all()
    schema.due.drop(connection)
    OLD_DUE.create(connection)
    if waiting:
        connection.execute(insert(OLD_DUE), [dict(zip(OLD_DUE.c.keys(), row, strict=True)) for row in waiting])
    metadata.drop_all(connection, tables=[metadata.tables[name] for name in NEW])
