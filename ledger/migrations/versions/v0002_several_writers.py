"""Several writers at once: numbers come from counters, a row of the due queue tells its transaction, streams have positions.

Documents remember when a fact was last taken out of them, registrations when one went; rosters are told.
"""

from alembic import op
from sqlalchemy import Connection, func, insert, literal, select

from domain.records import MONTHLY, months_of, place
from ledger import registrations, schema
from ledger.marks import ROSTER_DUE
from ledger.migrations.versions.v0001_first import CHANGED
from ledger.schema import metadata
from ledger.trusted import reread
from ledger.workspace import Workspace

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
    """Create the new tables, start the counters at the greatest numbers given, keep what is due; note what was taken out."""
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
    rosters = select(schema.patients.c.key, literal(ROSTER_DUE), literal(""), literal(0))
    connection.execute(insert(schema.due).from_select(["patient_key", "month", "cause", "batch"], rosters))
    note_taken_out(connection)


def note_taken_out(connection: Connection) -> None:
    """Write into documents and registrations when what was named as gone went."""
    t, e = schema.tombstones.c, schema.events.c
    gone = (e.tenant == t.tenant) & (e.source + "\t" + e.id == t.identity)
    named = select(e.raw, func.max(t.time)).join(schema.tombstones, gone).group_by(e.seq, e.raw).order_by(e.seq)
    work, lost = Workspace(connection), []
    for raw, time in connection.execute(named).all():
        event = reread(raw, ())
        placed, patient = place(event), f"{event.tenant}/{event.subject}"
        if placed is not None:
            months = months_of(placed.low, placed.high) if placed.kind in MONTHLY else ()
            work.load_patients([patient])
            work.load_months(f"{patient}/{month}" for month in months)
            work.remove(patient, placed.kind, event.identity, months, time)
        elif event.type in (registrations.SITE, registrations.PERSON):
            lost.append(registrations.gone_row_of(event, time))
    work.save()
    registrations.record(connection, lost)
