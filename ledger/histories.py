"""A tenant's accepted events summed up: the same set has the same sum, whatever the order they came in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from ledger import schema
from ledger.database import ask, found, sought, upsert_all
from ledger.keys import one_of

SIZE: Final = 32
_RANGE: Final = 1 << (8 * SIZE)
_H: Final = schema.histories.c
_ALL: Final = select(_H.tenant, _H.events, _H.sum).order_by(_H.tenant)
_OF: Final = _ALL.where(one_of(_H.tenant))


class History(NamedTuple):
    """How many events of a tenant were accepted, and their sum (hex)."""

    events: int = 0
    sum: str = "00" * SIZE


class Sums:
    """Events added up by tenant."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, int]] = {}

    def add(self, tenant: str, source: str, identifier: str, digest: bytes) -> None:
        """Add an event by its identity and the digest of its content."""
        term = int.from_bytes(blake2b(f"{source}\t{identifier}\n".encode() + digest, digest_size=SIZE).digest())
        events, total = self.found.get(tenant, (0, 0))
        self.found[tenant] = events + 1, (total + term) % _RANGE

    def histories(self) -> Iterator[tuple[str, History]]:
        """The tenants' histories."""
        for tenant, (events, total) in sorted(self.found.items()):
            yield tenant, History(events, total.to_bytes(SIZE).hex())


def of(connection: Connection, tenants: Collection[str] = ()) -> dict[str, History]:
    """The histories of these tenants, or of all, by name."""
    rows = found(connection, _OF, sorted(tenants)) if tenants else ask(connection, _ALL)
    return {tenant: History(events, total.hex()) for tenant, events, total in rows}


def less(one: History, other: History) -> History:
    """A history without the events of another."""
    return History(one.events - other.events, ((int(one.sum, 16) - int(other.sum, 16)) % _RANGE).to_bytes(SIZE).hex())


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
            after = (int.from_bytes(before) + total) % _RANGE
            rows.append({"tenant": tenant, "events": number + events, "sum": after.to_bytes(SIZE)})
        upsert_all(connection, schema.histories, rows)

    return raise_all
