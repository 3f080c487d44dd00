"""Which events of a batch are new: identity, content, what was named as gone (docs/contract.md §1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from jiter import from_json
from sqlalchemy import Connection, bindparam, select

from domain.events import Event, Invalid, digest
from domain.sums import Sums
from domain.vocabulary import Vocabulary
from ledger import histories, locks, schema
from ledger.codec import LARGEST, decode
from ledger.database import found, insert_columns, insert_new, is_postgres
from ledger.keys import one_of
from ledger.trusted import reread

Input = tuple[str, bytes]
REUSED: Final = (
    "another event of this tenant and source has this id with other content; give the corrected event an id of its own "
    "and name this one in `replaces`"
)
_E, _T = schema.events.c, schema.tombstones.c
_DIGESTS: Final = select(_E.id, _E.digest).where(_E.tenant == bindparam("tenant"), _E.source == bindparam("source"), one_of(_E.id))
_BURIED: Final = select(_T.identity, _T.time).where(_T.tenant == bindparam("tenant"), one_of(_T.identity))


class Arrival(NamedTuple):
    """A valid event with its bytes and the digest of its content."""

    event: Event
    raw: bytes
    digest: bytes
    origin: str


class Parked(NamedTuple):
    """Input for the dead letters: why, in a word and a sentence."""

    reason: str
    message: str
    origin: str
    raw: bytes
    tenant: str | None


Fate = Arrival | Parked | None
"""What became of an input: the new event, the dead letter, or None where the event was known already."""


class Summary(NamedTuple):
    """How many inputs were accepted, known already, or parked."""

    accepted: int = 0
    duplicates: int = 0
    dead_letters: int = 0

    def __add__(self, other: object) -> Summary:
        if not isinstance(other, Summary):
            return NotImplemented
        return Summary(self.accepted + other.accepted, self.duplicates + other.duplicates, self.dead_letters + other.dead_letters)

    @classmethod
    def of(cls, fates: Sequence[Fate]) -> Summary:
        """The counts of these."""
        kinds = [type(fate) for fate in fates]
        return cls(kinds.count(Arrival), kinds.count(type(None)), kinds.count(Parked))


def read(inputs: Iterable[Input], vocabulary: Vocabulary) -> list[Arrival | Parked]:
    """Validate each input; what is not an event of the contract is to be parked."""
    return [_read(origin, raw, vocabulary) for origin, raw in inputs]


def _read(origin: str, raw: bytes, vocabulary: Vocabulary) -> Arrival | Parked:
    try:
        event = decode(raw, vocabulary)
        return Arrival(event, raw, digest(event), origin)
    except Invalid as refusal:
        return Parked(refusal.reason, refusal.message, origin, raw, tenant_of(raw))


def tenant_of(raw: bytes) -> str | None:
    """The tenant of refused input, as far as it can be read."""
    try:
        value = from_json(raw) if len(raw) <= LARGEST else None
    except ValueError:
        return None
    tenant = value.get("tenant") if isinstance(value, dict) else None
    return tenant if isinstance(tenant, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", tenant) else None


def known_digests(connection: Connection, events: Iterable[Event]) -> dict[tuple[str, str, str], bytes]:
    """The stored content digests of those identities that were accepted before."""
    if is_postgres(connection):
        from ledger.postgres import identified

        rows = identified(connection, [event[:3] for event in events], "digest")
        return {(tenant, source, identifier): stored for tenant, source, identifier, stored in rows}
    wanted: dict[tuple[str, str], list[str]] = {}
    for event in events:
        wanted.setdefault((event.tenant, event.source), []).append(event.id)
    return {
        (tenant, source, identifier): stored
        for (tenant, source), ids in wanted.items()
        for identifier, stored in found(connection, _DIGESTS, ids, tenant=tenant, source=source)
    }


def sort_out(connection: Connection, read: Sequence[Arrival | Parked]) -> list[Fate]:
    """What becomes of each input, in the order given; of one identity the first content holds."""
    known = known_digests(connection, (one.event for one in read if isinstance(one, Arrival)))
    return [_fate(one, known) if isinstance(one, Arrival) else one for one in read]


def _fate(arrival: Arrival, known: dict[tuple[str, str, str], bytes]) -> Fate:
    event = arrival.event
    stored = known.get(event[:3])
    if stored is None:
        known[event[:3]] = arrival.digest
        return arrival
    if stored == arrival.digest:
        return None
    return Parked("id_reused", f"id: {REUSED}.", arrival.origin, arrival.raw, event.tenant)


def store(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Append new events to the event store."""
    first = locks.raised(connection, locks.EVENTS, len(arrivals))
    sums = Sums()
    for a in arrivals:
        sums.add(a.event.tenant, a.event.source, a.event.id, a.digest)
    raise_histories = histories.raising(connection, sums)
    tenants, sources, ids, types, subjects, times, replaced, _, _ = zip(*(a.event for a in arrivals), strict=True)
    digests, raw = [a.digest for a in arrivals], [a.raw for a in arrivals]
    start = first()
    numbers = range(start, start + len(arrivals))
    insert_columns(connection, schema.events, (numbers, tenants, sources, ids, types, subjects, times, replaced, digests, raw))
    raise_histories()


def park(connection: Connection, parked: Sequence[Parked]) -> None:
    """Put input into the dead letters; the same bytes from the same origin stand there once."""
    if not parked:
        return
    first = locks.numbers(connection, locks.LETTERS, len(parked))
    rows = [{"seq": seq, "id": letter_id(p.origin, p.raw), **p._asdict()} for seq, p in enumerate(parked, first)]
    insert_new(connection, schema.dead_letters, rows)


def letter_id(origin: str, raw: bytes) -> str:
    """A dead letter's id: a digest of where it came from and its bytes."""
    return blake2b(origin.encode("utf-8", "surrogateescape") + b"\x00" + raw, digest_size=16).hexdigest()


def dead_identities(connection: Connection, events: Sequence[Event]) -> dict[tuple[str, str], int]:
    """Those events that an accepted one named as replaced or retracted: (tenant, identity), and the greatest time of what did."""
    return dying(connection, events)()


def dying(connection: Connection, events: Sequence[Event]) -> Callable[[], dict[tuple[str, str], int]]:
    """The same, when it is called for."""
    if not events or not is_postgres(connection):
        dead = _dead(connection, events)
        return lambda: dead
    from ledger.postgres import buried

    rows = buried(connection, [(event.tenant, event.identity) for event in events])

    def latest() -> dict[tuple[str, str], int]:
        times: dict[tuple[str, str], int] = {}
        for tenant, identity, time in rows():
            times[tenant, identity] = max(time, times.get((tenant, identity), time))
        return times

    return latest


def _dead(connection: Connection, events: Sequence[Event]) -> dict[tuple[str, str], int]:
    t = schema.tombstones.c
    wanted: dict[str, list[str]] = {}
    for event in events:
        wanted.setdefault(event.tenant, []).append(event.identity)
    dead: dict[tuple[str, str], int] = {}
    for tenant, identities in wanted.items():
        if connection.execute(select(t.identity).where(t.tenant == tenant).limit(1)).first() is None:
            continue
        for identity, time in found(connection, _BURIED, identities, tenant=tenant):
            dead[tenant, identity] = max(time, dead.get((tenant, identity), time))
    return dead


def target_of(event: Event) -> Iterable[str]:
    """Identities that the event takes out of the count."""
    if event.replaces is not None:
        yield f"{event.source}\t{event.replaces}"
    if event.type == "care.event.retracted.v1":
        source: Mapping[str, str] | str = event.data.source if event.data.source is not None else event.source
        yield f"{source}\t{event.data.id}"


def stored_events(
    connection: Connection, wanted: Iterable[tuple[str, str]], vocabulary: Vocabulary, *, before: int | None = None
) -> list[Event]:
    """The accepted events of these (tenant, identity), read again from their bytes; only those whose number is smaller than `before`."""
    keys = set(wanted)
    if before is not None:
        keys = {key for key in keys if (_number(connection, key) or before) < before}
    return [reread(raw, vocabulary.tracks) for raw in stored_raw(connection, keys)]


def _number(connection: Connection, key: tuple[str, str]) -> int | None:
    t, (tenant, identity) = schema.events.c, key
    source, _, identifier = identity.partition("\t")
    found: int | None = connection.execute(select(t.seq).where(t.tenant == tenant, t.source == source, t.id == identifier)).scalar()
    return found


def stored_raw(connection: Connection, wanted: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """The bytes of the accepted events of these (tenant, identity)."""
    return _raw(connection, [(tenant, *identity.partition("\t")[::2]) for tenant, identity in sorted(wanted)])


def _raw(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> Iterator[bytes]:
    """The bytes of those identities that are stored, in the order of the keys."""
    if is_postgres(connection):
        from ledger.postgres import identified

        stored = (
            {(tenant, source, identifier): raw for tenant, source, identifier, raw in identified(connection, keys, "raw")} if keys else {}
        )
        yield from (stored[key] for key in keys if key in stored)
        return
    t = schema.events.c
    for tenant, source, identifier in keys:
        raw = connection.execute(select(t.raw).where(t.tenant == tenant, t.source == source, t.id == identifier)).scalar()
        if raw is not None:
            yield raw
