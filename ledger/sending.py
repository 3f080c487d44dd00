"""What a relay sends: decisions and parked input in the order of their numbers, and how it hears that there is more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from ledger import schema
from ledger.arrivals import Arrival, Parked, known_digests, letter_id
from ledger.database import found
from ledger.keys import one_of


def decisions(connection: Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Decisions after a number, as they are stored."""
    t = schema.outbox.c
    rows = connection.execute(select(t.sequence, t.event).where(t.sequence > after).order_by(t.sequence).limit(limit))
    return [(number, bytes(event)) for number, event in rows]


def letters(connection: Connection, after: int, limit: int) -> list[tuple[int, Parked]]:
    """Parked input after a number."""
    t = schema.dead_letters.c
    columns = select(t.seq, t.reason, t.message, t.origin, t.raw, t.tenant)
    rows = connection.execute(columns.where(t.seq > after).order_by(t.seq).limit(limit))
    return [(seq, Parked(reason, message, origin, bytes(raw), tenant)) for seq, reason, message, origin, raw, tenant in rows]


def unaccounted(connection: Connection, read: Sequence[Arrival | Parked]) -> list[str]:
    """Origins of input that is neither an accepted event of this content nor in the dead letters."""
    known = known_digests(connection, (one.event for one in read if isinstance(one, Arrival)))
    doubtful = [one for one in read if isinstance(one, Parked) or known.get(one.event[:3]) != one.digest]
    t = schema.dead_letters.c
    wanted = [letter_id(one.origin, one.raw) for one in doubtful]
    parked = {identifier for (identifier,) in found(connection, select(t.id).where(one_of(t.id)), wanted)}
    return [one.origin for one, identifier in zip(doubtful, wanted, strict=True) if identifier not in parked]
