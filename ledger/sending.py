"""What a relay sends: decisions and parked input in the order of their numbers, and how it hears that there is more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select

from domain.vocabulary import Vocabulary
from ledger import arrivals, schema
from ledger.arrivals import Arrival, Parked, known_digests, letter_id
from ledger.database import ask, found
from ledger.keys import one_of

_O, _L = schema.outbox.c, schema.dead_letters.c
_DECISIONS: Final = select(_O.sequence, _O.event).where(_O.sequence > bindparam("after")).order_by(_O.sequence).limit(bindparam("number"))
_LETTERS: Final = (
    select(_L.seq, _L.reason, _L.message, _L.origin, _L.raw, _L.tenant)
    .where(_L.seq > bindparam("after"))
    .order_by(_L.seq)
    .limit(bindparam("number"))
)


def decisions(connection: Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Decisions after a number, as they are stored; by one statement."""
    return [(number, bytes(event)) for number, event in ask(connection, _DECISIONS, after=after, number=limit)]


def letters(connection: Connection, after: int, limit: int) -> list[tuple[int, Parked]]:
    """Parked input after a number; by one statement."""
    rows = ask(connection, _LETTERS, after=after, number=limit)
    return [(seq, Parked(reason, message, origin, bytes(raw), tenant)) for seq, reason, message, origin, raw, tenant in rows]


def unaccounted(connection: Connection, read: Sequence[Arrival | Parked], vocabulary: Vocabulary) -> list[str]:
    """Origins of input that is neither an accepted event of this content nor in the dead letters.

    What was parked for its message, and not for its event, is accepted when it is retried.
    """
    known = known_digests(connection, (one.event for one in read if isinstance(one, Arrival)))
    doubtful = [one for one in read if isinstance(one, Parked) or known.get(one.event[:3]) != one.digest]
    t = schema.dead_letters.c
    wanted = [letter_id(one.origin, one.raw) for one in doubtful]
    parked = {identifier for (identifier,) in found(connection, select(t.id).where(one_of(t.id)), wanted)}
    missing = [one for one, identifier in zip(doubtful, wanted, strict=True) if identifier not in parked]
    letters = ((one.origin, one.raw) for one in missing if isinstance(one, Parked))
    again = [one for one in arrivals.read(letters, vocabulary) if isinstance(one, Arrival)]
    known = known_digests(connection, (one.event for one in again))
    retried = {one.origin for one in again if known.get(one.event[:3]) == one.digest}
    return [one.origin for one in missing if one.origin not in retried]
