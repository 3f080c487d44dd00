"""The tenants' sums of accepted events, as they are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Connection, select

from domain.sums import RANGE, SIZE, History, Sums
from ledger import schema
from ledger.database import ask, found, sought, upsert_all
from ledger.keys import one_of

_H: Final = schema.histories.c
_ALL: Final = select(_H.tenant, _H.events, _H.sum).order_by(_H.tenant)
_OF: Final = _ALL.where(one_of(_H.tenant))


def of(connection: Connection, tenants: Collection[str] = ()) -> dict[str, History]:
    """The histories of these tenants, or of all, by name."""
    rows = found(connection, _OF, sorted(tenants)) if tenants else ask(connection, _ALL)
    return {tenant: History(events, total.hex()) for tenant, events, total in rows}


def raise_by(connection: Connection, sums: Sums) -> None:
    """Add to the tenants' histories, in a transaction that has taken numbers for events: nobody else does meanwhile."""
    raising(connection, sums)()


def raising(connection: Connection, sums: Sums) -> Callable[[], None]:
    """The same, when it is called for."""
    known = sought(connection, _OF, sorted(sums.found))

    def raise_all() -> None:
        stored = {tenant: (events, total) for tenant, events, total in known()}
        rows = []
        for tenant, (events, total) in sorted(sums.found.items()):
            number, before = stored.get(tenant, (0, b""))
            after = (int.from_bytes(before) + total) % RANGE
            rows.append({"tenant": tenant, "events": number + events, "sum": after.to_bytes(SIZE)})
        upsert_all(connection, schema.histories, rows)

    return raise_all
