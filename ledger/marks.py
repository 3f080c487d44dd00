"""Patient-months to decide again, and the events that are the cause."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, or_, select

from domain.records import EVERY
from ledger import locks, schema
from ledger.database import found, insert_columns, sought
from ledger.keys import one_of
from ledger.registrations import referring

Key = tuple[str, str]
Causes = dict[Key, set[str]]
"""Identities of events, by patient and mark (`domain.records.to_decide`)."""
ROSTER_DUE: Final = "-"
"""Stands for the patient's roster among the months that are due."""
REGISTERED: Final = "#"
"""Stands in the place of a patient for all who name a site or person; its mark is tenant and subject."""

_D, _C = schema.due.c, schema.closures.c
_LAST_CLOSED: Final = select(_C.tenant, func.max(_C.month)).where(one_of(_C.tenant)).group_by(_C.tenant)
_CAUSES: Final = select(_D.patient_key, _D.cause).where(one_of(_D.patient_key))
_TAKEN: Final = delete(schema.due).where(one_of(_D.patient_key)).returning(_D.patient_key, _D.month, _D.cause)


class Marks:
    """Marks set by a batch; they wait in the due queue for the transactions that decide."""

    def __init__(self) -> None:
        self.found: Causes = {}

    def add(self, patient: str, marks: Iterable[str], causes: Iterable[str]) -> None:
        """Mark months of a patient."""
        for mark in marks:
            key = (patient, mark)
            if key in self.found:
                self.found[key].update(causes)
            else:
                self.found[key] = set(causes)

    def add_registered(self, tenant: str, subject: str, causes: Iterable[str]) -> None:
        """Mark all months of those who name a site or person by the time that is decided."""
        self.add(REGISTERED, (f"{tenant}/{subject}",), causes)

    def part(self, patients: Container[str]) -> Causes:
        """Take out the marks of these patients."""
        mine = {key: causes for key, causes in self.found.items() if key[0] in patients}
        self.found = {key: causes for key, causes in self.found.items() if key not in mine}
        return mine

    def queue(self, connection: Connection) -> None:
        """Put the marks into the due queue."""
        _queue(connection, self.found)


def _queue(connection: Connection, marks: Causes) -> None:
    """Which events are the cause matters where an adjustment may name them, in a closed month; elsewhere one row stands for all.

    What is due is decided before a close is accepted, so a month closed later has no row without a name.
    """
    if not marks:
        return
    last = last_closed(connection, {patient.partition("/")[0] for patient, _ in marks if patient != REGISTERED})
    rows: list[tuple[str, str, str, int]] = []
    batch = locks.batch(connection)
    for (patient, mark), causes in marks.items():
        named = patient == REGISTERED or mark[:7] <= last.get(patient.partition("/")[0], "")
        rows += [(patient, mark, cause, batch) for cause in (causes if named else ("",))]
    insert_columns(connection, schema.due, list(zip(*rows, strict=True)), "ignore")


def queue_all(connection: Connection, tenants: Collection[str], marks: Iterable[str], cause: str) -> None:
    """Mark the same of every patient of these tenants, which are this transaction's own, or of all."""
    key = schema.patients.c.key
    for mark in marks:
        rows = select(key, literal(mark), literal(cause), literal(locks.batch(connection))).where(*of_tenants(key, tenants))
        connection.execute(insert(schema.due).from_select(["patient_key", "month", "cause", "batch"], rows))


def last_closed(connection: Connection, tenants: Iterable[str]) -> dict[str, str]:
    """The last month of each tenant that was closed, whole or at a site."""
    return dict(found(connection, _LAST_CLOSED, sorted(tenants)))


def waiting(connection: Connection, causes: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those events (patient, identity) that are the cause of something not decided yet."""
    wanted = set(causes)
    return wanted & {(patient, cause) for patient, cause in found(connection, _CAUSES, sorted({patient for patient, _ in wanted}))}


def take_due(connection: Connection, patients: Iterable[str]) -> Causes:
    """Take what is due of these patients out of the queue, each mark with all its causes.

    Exactly the rows that are read are deleted: what another writer adds meanwhile stays for the next time.
    """
    return due_of(connection, patients)()


def due_of(connection: Connection, patients: Iterable[str]) -> Callable[[], Causes]:
    """The same, when it is called for."""
    rows = sought(connection, _TAKEN, sorted(patients))

    def taken() -> Causes:
        marks: Causes = {}
        for patient, mark, cause in rows():
            marks.setdefault((patient, mark), set()).add(cause)
        return marks

    return taken


def registered(connection: Connection, tenants: Collection[str] = ()) -> set[str]:
    """The tenants, of these or of all, with a mark that stands for all who name a site or person."""
    marks = connection.execute(select(schema.due.c.month).where(*_registered(tenants)).distinct())
    return {mark.partition("/")[0] for (mark,) in marks}


def spread(connection: Connection, tenants: Collection[str]) -> None:
    """Mark all months of those who by now name a site or person of these tenants that was registered, or whose registration went."""
    t = schema.due.c
    wanted: Causes = {}
    for named, cause in connection.execute(delete(schema.due).where(*_registered(tenants)).returning(t.month, t.cause)).all():
        tenant, _, subject = named.partition("/")
        for patient in referring(connection, tenant, {subject}):
            wanted.setdefault((patient, EVERY), set()).add(cause)
    _queue(connection, wanted)


def _registered(tenants: Collection[str]) -> list[ColumnElement[bool]]:
    t = schema.due.c
    return [t.patient_key == REGISTERED, *of_tenants(t.month, tenants)]


def of_tenants(column: ColumnElement[str], tenants: Collection[str]) -> list[ColumnElement[bool]]:
    """The keys of these tenants, those between `tenant/` and the character after `/`; without any tenants all keys."""
    return [or_(*((column > f"{tenant}/") & (column < f"{tenant}0") for tenant in sorted(tenants)))] if tenants else []
