"""Patient-months to decide again, and the events that are the cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from domain.events import Event
from ledger import schema
from ledger.booking import Clash
from ledger.database import chunks, insert_new

Key = tuple[str, str]


class Cause(NamedTuple):
    """An event that makes a patient-month due: its recording time and identity."""

    time: int
    identity: str


class Marks:
    """Marks set by a batch: `here` for patients whose documents the batch holds, `elsewhere` for the others.

    What concerns other patients waits in the due queue for a transaction of its own.
    """

    def __init__(self) -> None:
        self.here: dict[Key, set[Cause]] = {}
        self.elsewhere: dict[Key, set[Cause]] = {}

    def add(self, patient: str, month: str, causes: Iterable[Event]) -> None:
        """A month of a patient of this batch."""
        self.here.setdefault((patient, month), set()).update(Cause(e.time, e.identity) for e in causes)

    def add_elsewhere(self, patient: str, months: Iterable[str], causes: Iterable[Event]) -> None:
        """Months of a patient who may not be in this batch; `*` stands for all there are."""
        found = {Cause(e.time, e.identity) for e in causes}
        for month in months:
            self.elsewhere.setdefault((patient, month), set()).update(found)

    def add_clash(self, patient: str, months: Iterable[str], clash: Clash, *, known: bool) -> None:
        """Months of a patient whose performer turned out to be booked twice."""
        found = {Cause(max(clash.one.start, clash.other.start), i) for i in (clash.one.identity, clash.other.identity)}
        side = self.here if known else self.elsewhere
        for month in months:
            side.setdefault((patient, month), set()).update(found)

    def queue(self, connection: Connection) -> None:
        """Leave the marks on other patients for later."""
        rows = [
            {"patient_key": patient, "month": month, "cause": cause.identity, "time": cause.time}
            for (patient, month), causes in self.elsewhere.items()
            for cause in causes
        ]
        insert_new(connection, schema.due, rows)


def take_due(connection: Connection, limit: int) -> dict[Key, set[Cause]]:
    """Take up to about `limit` patient-months out of the due queue, each with all its causes."""
    t = schema.due.c
    keys = connection.execute(select(t.patient_key, t.month).distinct().order_by(t.patient_key, t.month).limit(limit)).all()
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
