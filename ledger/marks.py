"""Patient-months to decide again, and the events that are the cause."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, select

from domain.events import Event
from ledger import locks, schema
from ledger.database import found, upsert_all
from ledger.keys import one_of

Key = tuple[str, str]
EVERY: Final = "*"
ROSTER_DUE: Final = "-"
"""Stands for the patient's roster among the months that are due."""


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
        rows, batch = [], locks.batch(connection)
        for (patient, month), causes in self.found.items():
            named = month == EVERY or (patient.partition("/")[0], month) in closed
            kept = causes if named else [Cause(max(cause.time for cause in causes), "")]
            rows += [{"patient_key": patient, "month": month, "cause": c.identity, "batch": batch, "time": c.time} for c in kept]
        upsert_all(connection, schema.due, rows)


def cause_of(event: Event) -> Cause:
    """The event as a cause."""
    return Cause(event.time, event.identity)


def closed_months(connection: Connection, tenants: Iterable[str]) -> set[Key]:
    """Months of the tenants that were closed, whole or at a site."""
    t = schema.closures.c
    rows = found(connection, select(t.tenant, t.month).where(one_of(t.tenant)).distinct(), sorted(tenants))
    return {(tenant, month) for tenant, month in rows}


def take_due(connection: Connection, patients: Iterable[str]) -> dict[Key, set[Cause]]:
    """Take what is due of these patients out of the queue, each patient-month with all its causes.

    Exactly the rows that are read are deleted: what another writer adds meanwhile stays for the next time.
    """
    t = schema.due.c
    taken: dict[Key, set[Cause]] = {}
    statement = delete(schema.due).where(one_of(t.patient_key)).returning(t.patient_key, t.month, t.cause, t.time)
    for patient, month, identity, time in found(connection, statement, sorted(patients)):
        taken.setdefault((patient, month), set()).add(Cause(time, identity))
    return taken
