"""The tenants' sums of accepted events, as they are kept."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from domain.sums import RANGE, SIZE, History, Sums
from ledger import schema
from ledger.database import upsert_all


def of(connection: Connection, tenants: Collection[str] = ()) -> dict[str, History]:
    """The histories of these tenants, or of all, by name."""
    t = schema.histories.c
    wanted = [t.tenant.in_(sorted(tenants))] if tenants else []
    rows = connection.execute(select(t.tenant, t.events, t.sum).where(*wanted).order_by(t.tenant))
    return {tenant: History(events, total.hex()) for tenant, events, total in rows}


def raise_by(connection: Connection, sums: Sums) -> None:
    """Add to the tenants' histories, in a transaction that has taken numbers for events: nobody else does meanwhile."""
    stored = of(connection, sums.found)
    rows = []
    for tenant, (events, total) in sorted(sums.found.items()):
        before = stored.get(tenant, History())
        after = (int(before.sum, 16) + total) % RANGE
        rows.append({"tenant": tenant, "events": before.events + events, "sum": after.to_bytes(SIZE)})
    upsert_all(connection, schema.histories, rows)
