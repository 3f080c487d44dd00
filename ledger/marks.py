"""Patient-months to decide again, and the events that are the cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from domain.events import Event
from ledger import schema
from ledger.database import chunks, upsert_all

Key = tuple[str, str]
EVERY: Final = "*"


class Cause(NamedTuple):
    """An event that makes a patient-month due: its recording time and identity."""

    time: int
    identity: str


class Marks:
    """Marks set by a batch; they wait in the due queue for the transactions that decide."""

    def __init__(self) -> None:
        self.found: dict[Key, set[Cause]] = {}

    def add(self, patient: str, months: Iterable[str], causes: Iterable[Cause]) -> None:
        """Months of a patient; `*` stands for all there are."""
        for month in months:
            key = (patient, month)
            if key in self.found:
                self.found[key].update(causes)
            else:
                self.found[key] = set(causes)

    def queue(self, connection: Connection) -> None:
        """Put the marks into the due queue.

        Which events are the cause matters where an adjustment may name them, in a closed month; elsewhere one row stands for all.
        """
        closed = closed_months(connection, {patient.partition("/")[0] for patient, _ in self.found})
        rows = []
        for (patient, month), causes in self.found.items():
            named = month == EVERY or (patient.partition("/")[0], month) in closed
            kept = causes if named else [Cause(max(cause.time for cause in causes), "")]
            rows += [{"patient_key": patient, "month": month, "cause": cause.identity, "time": cause.time} for cause in kept]
        upsert_all(connection, schema.due, rows)


def cause_of(event: Event) -> Cause:
    """The event as a cause."""
    return Cause(event.time, event.identity)


def closed_months(connection: Connection, tenants: Iterable[str]) -> set[Key]:
    """Months of the tenants that were closed, whole or at a site."""
    t = schema.closures.c
    found: set[Key] = set()
    for chunk in chunks(sorted(tenants)):
        rows = connection.execute(select(t.tenant, t.month).where(t.tenant.in_(chunk)).distinct())
        found |= {(tenant, month) for tenant, month in rows}
    return found


def take_due(connection: Connection, limit: int, after: str = "") -> dict[Key, set[Cause]]:
    """Take up to about `limit` patient-months out of the due queue, each with all its causes: patients after this one, then all others.

    Who takes a little at a time goes round by it: else those at the end of the order would wait for as long as others become due.
    """
    t = schema.due.c
    waiting = select(t.patient_key, t.month).distinct().order_by(t.patient_key, t.month).limit(limit)
    keys = connection.execute(waiting.where(t.patient_key > after)).all() or connection.execute(waiting).all()
    found: dict[Key, set[Cause]] = {}
    for chunk in _pairs(keys):
        matching = tuple_(t.patient_key, t.month).in_(chunk)
        for patient, month, identity, time in connection.execute(select(t.patient_key, t.month, t.cause, t.time).where(matching)):
            found.setdefault((patient, month), set()).add(Cause(time, identity))
        connection.execute(delete(schema.due).where(matching))
    return found


def _pairs(keys: Sequence[object]) -> Iterator[list[tuple[str, str]]]:
    for chunk in chunks(keys, 200):
        yield [(row[0], row[1]) for row in chunk]  # type: ignore[index]


def is_due(connection: Connection) -> bool:
    """Whether anything waits to be decided."""
    return connection.execute(select(schema.due.c.month).limit(1)).first() is not None
