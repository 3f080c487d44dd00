"""Accepted events become facts: put where deciding finds them, with the patient-months they touch marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from domain.events import Event
from domain.records import MONTHLY, Placed, months_of, place, to_decide
from domain.settlement import PatientMonth
from domain.vocabulary import Vocabulary
from ledger import arrivals, booking, locks, registrations, schema
from ledger.booking import Busy
from ledger.database import insert_all, insert_new
from ledger.marks import EVERY, ROSTER_DUE, Cause, Marks, cause_of
from ledger.retry import RaceError
from ledger.workspace import Workspace

CLOSE = "care.month.closed.v1"
BINDING = frozenset({registrations.SITE, registrations.PERSON, CLOSE})
"""What bears on all patients of a tenant."""


class Located(NamedTuple):
    """A patient event with its fact and the tenant's key of the patient."""

    event: Event
    placed: Placed
    patient: str
    months: tuple[str, ...]


class Acceptance:
    """One batch of new events on its way into the documents; collects what must be decided again."""

    def __init__(self, connection: Connection, vocabulary: Vocabulary) -> None:
        self.connection = connection
        self.vocabulary = vocabulary
        self.work = Workspace(connection)
        self.marks = Marks()
        self.immune: list[tuple[Event, Cause]] = []
        self.causes: dict[tuple[str, str], list[Event]] = {}
        self.absent: set[tuple[str, str]] = set()
        self.dead: set[tuple[str, str]] = set()
        self.burials = 0

    def take(self, events: Sequence[Event]) -> None:
        """Put the events' facts in place, take those out that they retract or replace."""
        self.burials = locks.burials(self.connection)
        causes = self.causes = self._bury(events)
        arriving = {(e.tenant, e.identity) for e in events} if causes else set()
        killed = arrivals.stored_events(self.connection, causes.keys() - arriving, self.vocabulary)
        self.absent = causes.keys() - arriving - {(e.tenant, e.identity) for e in killed}
        dead = self.dead = arrivals.dead_identities(self.connection, events)
        locks.tenants(self.connection, {e.tenant for e in (*events, *killed)}, alone=any(e.type in BINDING for e in (*events, *killed)))
        self._note_immune(events, killed, causes)
        gone = [one for e in killed if (one := _locate(e)) is not None]
        fresh = [one for e in events if (one := _locate(e)) is not None]
        self._load([*gone, *fresh])
        bookings = [b for one in fresh if (b := self._add(one, bool(dead) and (one.event.tenant, one.event.identity) in dead)) is not None]
        booked = [*bookings, *(b for one in gone if (b := booking_of(one)) is not None)]
        locks.performers(self.connection, {f"{b.tenant}/{b.performer}" for b in booked})
        self._free(gone, causes)
        self._clash(booking.book(self.connection, bookings), {(b.tenant, b.identity) for b in bookings})
        self._refer(fresh)
        self._register(events, killed, dead, causes)
        self._close(events)

    def confirm(self, events: Sequence[Event]) -> None:
        """Raise RaceError where another writer meanwhile took in what these events name as gone, or named one of them.

        Asked when nobody else can commit events before this transaction does. A retraction and what it names may come about different
        patients, so that no lock brought the two writers together before.
        """
        if not locks.several(self.connection):
            return
        if self.causes:
            locks.numbers(self.connection, locks.BURIALS, 1)
        if self.absent and arrivals.stored_events(self.connection, self.absent, self.vocabulary):
            raise RaceError
        if (
            locks.burials(self.connection) != self.burials + bool(self.causes)
            and arrivals.dead_identities(self.connection, events) != self.dead
        ):
            raise RaceError

    def _bury(self, events: Sequence[Event]) -> dict[tuple[str, str], list[Event]]:
        """Record which identities the events take out; returns them with the events that do."""
        causes: dict[tuple[str, str], list[Event]] = {}
        for event in events:
            for identity in arrivals.target_of(event):
                causes.setdefault((event.tenant, identity), []).append(event)
        rows = [
            {"tenant": tenant, "identity": identity, "cause": e.identity, "time": e.time}
            for (tenant, identity), by in sorted(causes.items())
            for e in by
        ]
        insert_new(self.connection, schema.tombstones, rows)
        return causes

    def _note_immune(self, events: Sequence[Event], killed: Sequence[Event], causes: dict[tuple[str, str], list[Event]]) -> None:
        """Note closes that something names, whichever of the two came first."""
        t = schema.tombstones.c
        for close in (e for e in events if e.type == CLOSE):
            naming = select(t.time, t.cause).where(t.tenant == close.tenant, t.identity == close.identity).order_by(t.cause)
            self.immune += [(close, Cause(time, by)) for time, by in self.connection.execute(naming)]
        for close in (e for e in killed if e.type == CLOSE):
            self.immune += [(close, cause_of(by)) for by in causes[close.tenant, close.identity]]

    def _load(self, located: Sequence[Located]) -> None:
        self.work.hold({one.patient for one in located})
        keys = {f"{o.patient}/{m}" for o in located if o.placed.kind in MONTHLY for m in o.months}
        self.work.load_months(keys)

    def _add(self, one: Located, dead: bool) -> Busy | None:
        """Put a fact in place; one that is dead on arrival is kept only where it is explained."""
        kind, fact = one.placed.kind, one.placed.fact
        if dead:
            if kind != "entries":
                return None
            fact = (*fact[:-1], True)
        if kind in MONTHLY:
            for month in one.months:
                self.work.add_monthly(one.patient, month, kind, fact)
        else:
            self.work.add_lasting(one.patient, kind, fact)
            if kind == "visits":
                for month in one.months:
                    self.work.know_month(one.patient, month)
        self._mark(one, (cause_of(one.event),))
        return None if dead else booking_of(one)

    def _mark(self, one: Located, causes: Iterable[Cause]) -> None:
        document = self.work.patients[one.patient]
        self.marks.add(one.patient, to_decide(one.placed, one.months, document.months, document.facts), causes)
        if one.placed.kind not in MONTHLY:
            self.marks.add(one.patient, (ROSTER_DUE,), causes)

    def _free(self, gone: Sequence[Located], causes: dict[tuple[str, str], list[Event]]) -> None:
        """Take facts out; the other patients of a double booking get their seconds back."""
        for one in gone:
            by = [cause_of(event) for event in causes[one.event.tenant, one.event.identity]]
            self._mark(one, by)
            placed = one.placed
            self.work.remove(one.patient, placed.kind, one.event.identity, placed.low, placed.high, monthly=placed.kind in MONTHLY)
            booked = booking_of(one)
            if booked is not None:
                key = (one.event.tenant, booked.performer, booked.start, booked.identity)
                for patient, low, high in booking.unbook(self.connection, [key]):
                    self.marks.add(patient, months_of(low, high), by)

    def _clash(self, clashes: Sequence[booking.Clash], fresh: set[tuple[str, str]]) -> None:
        """Mark both patients of a clash; the cause is the booking that came now, the decision rests on both."""
        for clash in clashes:
            time = max(clash.one.time, clash.other.time)
            causes = [Cause(time, one.identity) for one in (clash.one, clash.other) if (one.tenant, one.identity) in fresh]
            for patient in (clash.one.patient, clash.other.patient):
                self.marks.add(patient, months_of(clash.start, clash.end), causes)

    def _refer(self, fresh: Sequence[Located]) -> None:
        rows: list[tuple[str, str, str]] = []
        for one in fresh:
            document = self.work.patients[one.patient]
            for subject in _subjects(one.placed) - document.references:
                document.references.add(subject)
                document.changed = True
                rows.append((one.event.tenant, subject, one.patient))
        registrations.refer(self.connection, rows)

    def _register(
        self, events: Sequence[Event], killed: Sequence[Event], dead: set[tuple[str, str]], causes: dict[tuple[str, str], list[Event]]
    ) -> None:
        """Keep registrations and mark, for every patient who refers to them, all months."""
        kinds = {registrations.SITE: "site", registrations.PERSON: "person"}
        new = [e for e in events if e.type in kinds and (e.tenant, e.identity) not in dead]
        registrations.record(self.connection, [registrations.row_of(e) for e in new])
        lost = [e for e in killed if e.type in kinds]
        registrations.raise_version(self.connection, {e.tenant for e in (*events, *lost) if e.type in BINDING})
        for event in lost:
            registrations.forget(self.connection, event.tenant, event.identity)
        for event in (*new, *lost):
            by = [cause_of(e) for e in (causes.get((event.tenant, event.identity), [event]) if event in lost else [event])]
            for patient in registrations.referring(self.connection, event.tenant, {f"{kinds[event.type]}:{event.subject}"}):
                self.marks.add(patient, (EVERY,), by)

    def _close(self, events: Sequence[Event]) -> None:
        """Record closes and which patient-months they wait for."""
        for event in events:
            if event.type == CLOSE:
                self._close_month(event)

    def _close_month(self, event: Event) -> None:
        number = locks.numbers(self.connection, locks.CLOSURES, 1)
        data = event.data
        row = {
            "seq": number,
            "tenant": event.tenant,
            "month": data.month,
            "site": data.site_id,
            "identity": event.identity,
            "time": event.time,
        }
        insert_all(self.connection, schema.closures, [row])
        t = schema.lines.c
        keys = self.connection.execute(
            schema.lines.select().with_only_columns(t.month_key).where(t.tenant == event.tenant, t.month == data.month).distinct()
        )
        insert_new(self.connection, schema.closings, [{"month_key": key, "closure": number} for (key,) in keys])


def _locate(event: Event) -> Located | None:
    placed = place(event)
    if placed is None:
        return None
    return Located(event, placed, f"{event.tenant}/{event.subject}", months_of(placed.low, placed.high))


def booking_of(one: Located) -> Busy | None:
    """The booking a fact makes: time that is not inferred, and visits."""
    fact, kind = one.placed.fact, one.placed.kind
    if kind == "entries" and fact.source != "inferred":
        performer = fact.performer
    elif kind == "visits":
        performer = fact.practitioner
    else:
        return None
    return Busy(fact.start, fact.identity, fact.end, one.event.tenant, performer, one.patient, one.event.time)


def _subjects(placed: Placed) -> set[str]:
    """The sites and people whose registration bears on the fact."""
    fact = placed.fact
    site = getattr(fact, "site", None)
    people = {getattr(fact, "performer", None), fact.practitioner if placed.kind == "visits" else None} - {None}
    return {f"person:{p}" for p in people} | ({f"site:{site}"} if site else set())


def patient_month(patient: str, month: str) -> PatientMonth:
    """The patient-month of a tenant's key of a patient."""
    tenant, _, subject = patient.partition("/")
    return PatientMonth(tenant, subject, month)
