"""Which rules hold is told by tenant and month, and what was said of rule sets is kept; a tenant's accepted events are summed up."""

from alembic import op
from sqlalchemy import Connection, delete, insert, select

from domain.sums import Sums
from ledger import histories, schema
from ledger.activations import FIRST_REASON, PROGRAM
from ledger.schema import metadata

revision = "0003"
down_revision = "0002"

NEW = ("activations", "approvals", "histories")
ACTIVE = "rules"
FINGERPRINT = "rules_fingerprint"


def upgrade() -> None:
    """Create the new tables; the rule set of the ledger becomes its first activation."""
    connection = op.get_bind()
    metadata.create_all(connection, tables=[metadata.tables[name] for name in NEW])
    _activate(connection)
    _sum_up(connection)


def _activate(connection: Connection) -> None:
    t = schema.settings.c
    named = select(t.name, t.value).where(t.name.in_((ACTIVE, FINGERPRINT)))
    known = {row.name: row.value for row in connection.execute(named)}
    if ACTIVE not in known:
        return
    row = {"seq": 1, "digest": known[ACTIVE], "by": PROGRAM, "reason": FIRST_REASON, "at": 0, "sent": 0}
    connection.execute(insert(schema.activations).values(row))
    connection.execute(delete(schema.settings).where(t.name.in_((ACTIVE, FINGERPRINT))))
    connection.execute(insert(schema.settings).values(name=f"rules/{known[FINGERPRINT]}", value=known[ACTIVE]))


def _sum_up(connection: Connection) -> None:
    t = schema.events.c
    sums = Sums()
    for tenant, source, identifier, digest in connection.execute(select(t.tenant, t.source, t.id, t.digest)):
        sums.add(tenant, source, identifier, digest)
    histories.raise_by(connection, sums)
