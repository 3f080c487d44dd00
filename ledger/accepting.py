"""Accepted events become facts: put where deciding finds them, with the patient-months they touch marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from domain.event import Event
from domain.records import MONTHLY, Placed, months_of, place, to_decide
from domain.vocabulary import Vocabulary
from ledger import arrivals, booking, locks, registrations, schema
from ledger.booking import Busy
from ledger.database import asked, insert_all, insert_new
from ledger.marks import ROSTER_DUE, Marks, waiting
from ledger.retry import RaceError
from ledger.workspace import Workspace

CLOSE = "care.month.closed.v1"
_REGISTERED = (registrations.SITE, registrations.PERSON)
BINDING = frozenset({*_REGISTERED, CLOSE})
"""What bears on all patients of a tenant."""
_CLOSINGS: Final = select(schema.closings.c.month_key).distinct()


class ClosesWaitError(Exception):
    """A close waits to be carried out in a tenant of the batch: that comes first, on nothing but what came before it."""


class Located(NamedTuple):
    """A patient event with its fact and the tenant's key of the patient."""

    event: Event
    placed: Placed
    patient: str
    months: tuple[str, ...]

    @property
    def documents(self) -> tuple[str, ...]:
        """Months whose documents hold the fact; none where the patient's own does."""
        return self.months if self.placed.kind in MONTHLY else ()


class Acceptance:
    """One batch of new events on its way into the documents; collects what must be decided again."""

    def __init__(self, connection: Connection, vocabulary: Vocabulary, *, saves: bool = True) -> None:
        """The documents are saved with their facts, or, without `saves`, by whoever decides with them in the same transaction."""
        self.connection = connection
        self.saves = saves
        self.vocabulary = vocabulary
        self.work = Workspace(connection)
        self.marks = Marks()
        self.immune: list[tuple[Event, str, int]] = []
        self.causes: dict[tuple[str, str], list[Event]] = {}
        self.absent: set[tuple[str, str]] = set()
        self.dead: dict[tuple[str, str], int] = {}
        self.burials = 0
        self.is_binding = False

    def take(self, events: Sequence[Event]) -> None:
        """Put the events' facts in place, take those out that they retract or replace."""
        burials = locks.burials(self.connection)
        causes = self.causes = self._bury(events)
        arriving = {(e.tenant, e.identity) for e in events} if causes else set()
        killed = self.stored(causes.keys() - arriving)
        self.absent = causes.keys() - arriving - {(e.tenant, e.identity) for e in killed}
        dying = arrivals.dying(self.connection, events)
        self.is_binding = any(e.type in BINDING for e in (*events, *killed))
        locks.tenants(self.connection, {e.tenant for e in (*events, *killed)}, alone=self.is_binding)
        closing = asked(self.connection, _CLOSINGS)
        gone = [one for e in killed if (one := _locate(e)) is not None]
        fresh = [one for e in events if (one := _locate(e)) is not None]
        loaded = self._loading([*gone, *fresh])
        if tenants_of(closing()) & {e.tenant for e in events}:
            raise ClosesWaitError
        loaded()
        self.burials, self.dead = burials(), dying()
        self._note_immune(events, killed)
        dead = self.dead  # mostly none, and then no key is made for each event
        bookings = [b for one in fresh if (b := self._add(one, dead.get((one.event.tenant, one.event.identity), 0) if dead else 0))]
        self._take_out(gone)
        self._refer(fresh)
        if self.saves or self.is_binding:
            self.work.save()
        self._book(bookings, gone)
        self._register(events, killed)
        self._close(events)

    def _book(self, bookings: list[Busy], gone: Sequence[Located]) -> None:
        """Make bookings, and take those back of what is gone; mark whom that concerns.

        Who has the same performers waits from here to the end of this transaction, so all that can be done before is.
        """
        freed = [booked for one in gone if (booked := booking_of(one)) is not None]
        locks.performers(self.connection, {f"{b.tenant}/{b.performer}" for b in (*bookings, *freed)})
        self._free(freed)
        self._clash(booking.book(self.connection, bookings), {(b.tenant, b.identity) for b in bookings})

    def confirming(self, events: Sequence[Event]) -> Callable[[], None]:
        """Raise RaceError, when it is called for, where another writer took in what these events name as gone, or named one of them.

        Asked when nobody else can commit events before this transaction does. A retraction and what it names may come about different
        patients, so that no lock brought the two writers together before.
        """
        if not locks.several(self.connection):
            return lambda: None
        if self.causes:
            locks.raised(self.connection, locks.BURIALS, 1)
        burials = locks.burials(self.connection)

        def confirm() -> None:
            if self.absent and self.stored(self.absent):
                raise RaceError
            if burials() != self.burials + bool(self.causes) and arrivals.dead_identities(self.connection, events) != self.dead:
                raise RaceError

        return confirm

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

    def _note_immune(self, events: Sequence[Event], killed: Sequence[Event]) -> None:
        """Note closes that something names, whichever of the two came first."""
        t = schema.tombstones.c
        for close in (e for e in events if e.type == CLOSE):
            naming = select(t.time, t.cause).where(t.tenant == close.tenant, t.identity == close.identity).order_by(t.cause)
            self.immune += [(close, by, time) for time, by in self.connection.execute(naming)]
        for close in (e for e in killed if e.type == CLOSE):
            self.immune += [(close, by.identity, by.time) for by in self.causes[close.tenant, close.identity]]

    def _loading(self, located: Sequence[Located]) -> Callable[[], None]:
        """Have the documents at hand, when it is called for."""
        held = self.work.holding({one.patient for one in located})
        months = self.work.months_coming({f"{o.patient}/{m}" for o in located for m in o.documents})

        def loaded() -> None:
            held()
            months()

        return loaded

    def _add(self, one: Located, dead: int) -> Busy | None:
        """Put a fact in place; one that is dead on arrival (`dead` says since when) is kept only where it is explained."""
        kind, fact = one.placed.kind, one.placed.fact
        if dead:
            self.work.remove(one.patient, kind, one.event.identity, one.documents, dead)
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
        self.marks.add(one.patient, _marks_of(one), (one.event.identity,))
        return None if dead else booking_of(one)

    def _take_out(self, gone: Sequence[Located]) -> None:
        """Take facts out of the documents."""
        for one in gone:
            events = self.causes[one.event.tenant, one.event.identity]
            self.marks.add(one.patient, _marks_of(one), [event.identity for event in events])
            self.work.remove(one.patient, one.placed.kind, one.event.identity, one.documents, max(event.time for event in events))

    def _free(self, gone: Sequence[Busy]) -> None:
        """The other patients of a double booking that went get their seconds back."""
        for freed in booking.unbook(self.connection, gone):
            causes = [event.identity for event in self.causes[freed.tenant, freed.gone]]
            self.marks.add(freed.patient, months_of(freed.start, freed.end), causes)

    def _clash(self, clashes: Sequence[booking.Clash], fresh: set[tuple[str, str]]) -> None:
        """Mark both patients of a clash; the causes are the bookings that came now, or lately and are not decided upon yet."""
        sides = {(one.patient, one.identity) for clash in clashes for one in clash[:2] if (one.tenant, one.identity) not in fresh}
        old = sides - waiting(self.connection, sides)
        for clash in clashes:
            causes = [one.identity for one in clash[:2] if (one.patient, one.identity) not in old]
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

    def _register(self, events: Sequence[Event], killed: Sequence[Event]) -> None:
        """Keep registrations, and when one went; mark, for every patient who refers to them, all months."""
        rows = []
        for event in (e for e in events if e.type in _REGISTERED):
            gone = self.dead.get((event.tenant, event.identity))
            rows.append(registrations.row_of(event) if gone is None else registrations.gone_row_of(event, gone))
            if gone is None:
                self.marks.add_registered(event.tenant, registrations.subject_of(event), (event.identity,))
        lost = [e for e in killed if e.type in _REGISTERED]
        since = arrivals.dead_identities(self.connection, lost)
        for event in lost:
            key = (event.tenant, event.identity)
            rows.append(registrations.gone_row_of(event, since[key]))
            self.marks.add_registered(event.tenant, registrations.subject_of(event), [by.identity for by in self.causes[key]])
        registrations.record(self.connection, rows)
        registrations.raise_version(self.connection, {e.tenant for e in (*events, *lost) if e.type in BINDING})

    def _close(self, events: Sequence[Event]) -> None:
        """Record closes and which patient-months they wait for."""
        for event in events:
            if event.type == CLOSE:
                self.close_month(event)

    def stored(self, wanted: Iterable[tuple[str, str]]) -> list[Event]:
        """The accepted events of these (tenant, identity)."""
        return arrivals.stored_events(self.connection, wanted, self.vocabulary)

    def close_month(self, event: Event) -> None:
        """Record a close, and which patient-months it waits for."""
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


def tenants_of(rows: Iterable[Sequence[str]]) -> set[str]:
    """The tenants of patient-months that wait to be closed."""
    return {key.partition("/")[0] for (key,) in rows}


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


def _marks_of(one: Located) -> tuple[str, ...]:
    """What is to be decided anew for a fact: months, and for a lasting one the roster."""
    marks = to_decide(one.placed, one.months)
    return marks if one.placed.kind in MONTHLY else (*marks, ROSTER_DUE)


def _subjects(placed: Placed) -> set[str]:
    """The sites and people whose registration bears on the fact."""
    fact = placed.fact
    site = getattr(fact, "site", None)
    people = {getattr(fact, "performer", None), fact.practitioner if placed.kind == "visits" else None} - {None}
    return {f"person:{p}" for p in people} | ({f"site:{site}"} if site else set())
