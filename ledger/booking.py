"""Performers booked twice: who is where when, over all patients of a tenant (docs/contract.md §3.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, or_, select

from domain.facts import Conflict
from ledger import schema
from ledger.database import found, insert_columns, insert_new, is_postgres, sought
from ledger.keys import one_of

LONGEST = 12 * 3600
NEAR = 4 * 24 * 3600
"""Bookings no further apart are looked up together: one question covers a performer's week-end."""

_B = schema.busy.c
_C = schema.conflicts.c
_NEIGHBOURS = select(_B.start, _B.identity, _B.end, _B.tenant, _B.performer, _B.patient, _B.time).where(
    _B.tenant == bindparam("tenant"), _B.performer == bindparam("performer"), _B.start > bindparam("low"), _B.start < bindparam("high")
)
_OTHER = and_(
    _B.tenant == _C.tenant, _B.performer == _C.performer, _B.start > _C.start - LONGEST, _B.start <= _C.start,
    _B.identity == _C.other_identity,
)  # fmt: skip
_TIMES = select(_C.patient_key, _C.identity, _B.time).join(schema.busy, _OTHER).where(one_of(_C.patient_key))
_CONFLICTS = (
    select(_C.patient_key, _C.performer, _C.start, _C.end, _C.identity)
    .where(one_of(_C.patient_key))
    .order_by(_C.identity, _C.other_identity)
)


class Busy(NamedTuple):
    """A performer's time or visit with a patient (`patient`: the tenant's key of the patient)."""

    start: int
    identity: str
    end: int
    tenant: str
    performer: str
    patient: str
    time: int


class Clash(NamedTuple):
    """Two bookings of one performer, with different patients, and the seconds they share."""

    one: Busy
    other: Busy
    start: int
    end: int


def book(connection: Connection, new: list[Busy]) -> list[Clash]:
    """Record bookings and return the clashes they bring, among themselves and with those on record."""
    by_performer: dict[tuple[str, str], list[Busy]] = {}
    for booking in new:
        by_performer.setdefault((booking.tenant, booking.performer), []).append(booking)
    clashes: list[Clash] = []
    clusters = [cluster for _, bookings in sorted(by_performer.items()) for cluster in _clusters(sorted(bookings))]
    for cluster, recorded in zip(clusters, _recorded(connection, clusters), strict=True):
        clashes += _clashes(cluster, recorded)
    _record(connection, new)
    insert_new(connection, schema.conflicts, [row for clash in clashes for row in _both(clash)])
    return clashes


def _record(connection: Connection, new: list[Busy]) -> None:
    if new:
        starts, identities, ends, tenants, performers, patients, times = zip(*new, strict=True)
        insert_columns(connection, schema.busy, (tenants, performers, starts, identities, ends, patients, times))


def _clusters(bookings: list[Busy]) -> Iterator[list[Busy]]:
    cluster: list[Busy] = []
    for booking in bookings:
        if cluster and booking.start - cluster[-1].start > NEAR:
            yield cluster
            cluster = []
        cluster.append(booking)
    yield cluster


def _recorded(connection: Connection, clusters: list[list[Busy]]) -> Iterator[list[Busy]]:
    """For each cluster of one performer's bookings those on record that may meet them."""
    spans = [(c[0].tenant, c[0].performer, c[0].start - LONGEST, max(b.end for b in c)) for c in clusters]
    if is_postgres(connection):
        yield from _recorded_together(connection, spans)
        return
    for tenant, performer, low, high in spans:
        rows = connection.execute(_NEIGHBOURS, {"tenant": tenant, "performer": performer, "low": low, "high": high}).all()
        yield [Busy._make(row) for row in rows]


def _recorded_together(connection: Connection, spans: list[tuple[str, str, int, int]]) -> list[list[Busy]]:
    from ledger.postgres import booked

    recorded: list[list[Busy]] = [[] for _ in spans]
    for number, *booking in booked(connection, spans) if spans else ():
        recorded[number - 1].append(Busy._make(booking))
    return recorded


def _clashes(new: list[Busy], recorded: list[Busy]) -> Iterator[Clash]:
    """Clashes in which a new booking has a part."""
    fresh = {b.identity for b in new}
    return (clash for clash in sweep(sorted([*new, *recorded])) if clash.one.identity in fresh or clash.other.identity in fresh)


def sweep(bookings: Iterable[Busy]) -> Iterator[Clash]:
    """All clashes among one performer's bookings, which come in order of start."""
    running: list[Busy] = []
    for booking in bookings:
        running = [b for b in running if b.end > booking.start]
        for other in running:
            if other.patient != booking.patient:
                yield Clash(other, booking, booking.start, min(booking.end, other.end))
        running.append(booking)


def _both(clash: Clash) -> Iterator[dict[str, object]]:
    for one, other in ((clash.one, clash.other), (clash.other, clash.one)):
        yield {
            "tenant": one.tenant, "identity": one.identity, "other_identity": other.identity, "patient_key": one.patient,
            "other_patient": other.patient, "performer": one.performer, "start": clash.start, "end": clash.end,
        }  # fmt: skip


class Freed(NamedTuple):
    """Seconds of another patient (`patient`: the tenant's key of the patient) that are free now that a booking went."""

    tenant: str
    gone: str
    patient: str
    start: int
    end: int


def unbook(connection: Connection, gone: Sequence[Busy]) -> list[Freed]:
    """Forget bookings; returns what that sets free, of two that go together only what the first does."""
    freed: list[Freed] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    for tenant, identity, other, patient, low, high in sorted(_parted(connection, gone), key=_in_order(gone)):
        pair = (tenant, frozenset((identity, other)))
        if pair not in seen:
            seen.add(pair)
            freed.append(Freed(tenant, identity, patient, low, high))
    return freed


def _in_order(gone: Sequence[Busy]) -> Callable[[Sequence[Any]], Any]:
    turns = {(one.tenant, one.identity): turn for turn, one in enumerate(gone)}
    return lambda row: (turns[row[0], row[1]], row[2])


def _parted(connection: Connection, gone: Sequence[Busy]) -> Iterable[Any]:
    """Delete bookings and their conflicts, on both sides: (tenant, identity, other identity, other patient, start, end)."""
    if not gone:
        return ()
    if is_postgres(connection):
        from ledger.postgres import part

        return part(connection, gone)
    b, c = schema.busy.c, schema.conflicts.c
    found: list[Any] = []
    for one in gone:
        mine = and_(b.tenant == one.tenant, b.performer == one.performer, b.start == one.start, b.identity == one.identity)
        connection.execute(delete(schema.busy).where(mine))
        columns = select(c.tenant, c.identity, c.other_identity, c.other_patient, c.start, c.end)
        found += connection.execute(columns.where(c.tenant == one.tenant, c.identity == one.identity)).all()
    for tenant, identity, other, *_ in found:
        same = or_(and_(c.identity == identity, c.other_identity == other), and_(c.identity == other, c.other_identity == identity))
        connection.execute(delete(schema.conflicts).where(c.tenant == tenant, same))
    return found


def times_of(connection: Connection, patients: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """For each conflict of these patients the identity of their time or visit, and when the other patient's was recorded."""
    times: dict[str, list[tuple[str, int]]] = {}
    for key, identity, time in found(connection, _TIMES, sorted(patients)):
        times.setdefault(key, []).append((identity, time))
    return times


def conflicts_of(connection: Connection, patients: Iterable[str]) -> dict[str, list[Conflict]]:
    """The conflicts of these patients, by their keys."""
    return conflicts_coming(connection, patients)()


def conflicts_coming(connection: Connection, patients: Iterable[str]) -> Callable[[], dict[str, list[Conflict]]]:
    """The same, when it is called for."""
    rows = sought(connection, _CONFLICTS, sorted(patients))

    def kept() -> dict[str, list[Conflict]]:
        conflicts: dict[str, list[Conflict]] = {}
        for key, performer, start, end, identity in rows():
            conflicts.setdefault(key, []).append(Conflict(performer, start, end, identity))
        return conflicts

    return kept
