"""Histories decided by the domain alone, without a database: what the ledger's tables do is done here over lists."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

from domain.calendar import shift_month
from domain.decide import Decision, decide
from domain.events import Event, validate
from domain.explanation import explanation
from domain.facts import Conflict, Registry
from domain.lines import Line
from domain.records import DEVICE_MONTHS, MONTHLY, Facts, Placed, add, history, months_of, place, reading_months
from domain.registry import Registration, registry_of
from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from domain.settlement import PatientMonth, line_id, line_row
from domain.vocabulary import Vocabulary
from ledger.rule_files import PACKAGED
from ledger.rules import load

Row = dict[str, Any]
REGISTERED = ("care.site.registered.v1", "care.practitioner.registered.v1")
RETRACTED = "care.event.retracted.v1"


class Span(NamedTuple):
    """Seconds that count."""

    tenant: str
    patient: str
    performer: str
    start: int
    end: int


class Booking(NamedTuple):
    """A performer's time or visit with a patient."""

    patient: str
    performer: str
    start: int
    end: int
    identity: str


@dataclass
class Decided:
    """What the domain says of a history: lines as `caremonth lines --json`, explanations, and the counted spans."""

    lines: list[Row] = field(default_factory=list)
    trees: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)


@dataclass
class _Patient:
    lasting: Facts = field(default_factory=dict)
    months: dict[str, Facts] = field(default_factory=lambda: defaultdict(dict))

    def take(self, placed: Placed, dead: bool) -> None:
        """Put a fact where deciding finds it; of what is dead only time is kept, to be explained."""
        months = months_of(placed.low, placed.high) if placed.kind in {*MONTHLY, "visits"} else ()
        if dead and placed.kind != "entries":
            return
        for month in months:
            if placed.kind in MONTHLY:
                add(self.months[month], placed.kind, (*placed.fact[:-1], True) if dead else placed.fact)
            self.months[month].setdefault(placed.kind, [])
        if placed.kind not in MONTHLY:
            add(self.lasting, placed.kind, placed.fact)

    def all_months(self) -> set[str]:
        later = range(DEVICE_MONTHS + 1) if self.lasting.get("set_ups") else range(1)
        return {shift_month(month, by) for month in self.months for by in later}


@cache
def rulebook() -> Rulebook:
    """The packaged rules."""
    return load(PACKAGED)


class Known(NamedTuple):
    """A patient-month with all that bears on it."""

    month: PatientMonth
    patient: _Patient
    conflicts: list[Conflict]
    registry: Registry

    def lines(self, rules: Rulebook) -> list[Line]:
        """Its lines under some rules."""
        return self.decision(rules).lines

    def decision(self, rules: Rulebook) -> Decision:
        """The decision on it under some rules."""
        lasting, months, month = self.patient.lasting, self.patient.months, self.month.month
        earlier = [months[name] for name in sorted(reading_months(lasting, month) & months.keys())]
        return decide(history(lasting, months.get(month, {}), earlier, self.conflicts), month, self.registry, rules)


def patient_months(events: Iterable[Row], words: Vocabulary) -> Iterator[Known]:
    """Every patient-month of a history without reused identities, in any order and with any duplicates; closes have no effect."""
    tenants: dict[str, dict[str, Event]] = defaultdict(dict)
    for obj in events:
        event = validate(obj, words)
        tenants[event.tenant].setdefault(event.identity, event)
    for tenant, found in sorted(tenants.items()):
        yield from _of_tenant(tenant, list(found.values()))


def decided(events: Iterable[Row]) -> Decided:
    """What the packaged rules come to for every patient-month of a history."""
    answer, rules = Decided(), rulebook()
    for known in patient_months(events, vocabulary(rules)):
        _tell(answer, known.month, known.decision(rules), rules)
    return answer


def _of_tenant(tenant: str, events: list[Event]) -> Iterator[Known]:
    dead = {identity for event in events for identity in _named(event)}
    registry = registry_of(Registration.of(e) for e in events if e.type in REGISTERED and e.identity not in dead)
    patients: dict[str, _Patient] = defaultdict(_Patient)
    bookings: list[Booking] = []
    for event in events:
        placed = place(event)
        if placed is not None:
            patients[event.subject].take(placed, event.identity in dead)
            bookings += () if event.identity in dead else _bookings(event, placed)
    conflicts = _conflicts(bookings)
    for name, patient in sorted(patients.items()):
        for month in sorted(patient.all_months()):
            yield Known(PatientMonth(tenant, name, month), patient, conflicts[name], registry)


def _tell(answer: Decided, one: PatientMonth, decision: Decision, rules: Rulebook) -> None:
    rows = sorted((line_row(one, line_id(one, line.key), line, 1, rules.id) for line in decision.lines), key=_order)
    answer.lines += rows
    if decision.programs:
        answer.trees[one] = explanation(one, decision, rows, rules)
    for program in decision.programs:
        answer.spans += [Span(one.tenant, one.patient, entry.performer, low, high) for low, high, entry, _ in program.tally.counted]


def _order(row: Row) -> tuple[str, ...]:
    """The order in which `caremonth lines` lists within a patient-month."""
    return tuple(str(row.get(name, "")) for name in ("program", "practitioner_id", "code", "date_of_service", "window_start"))


def _named(event: Event) -> Iterator[str]:
    """Identities that the event takes out of the count."""
    if event.replaces is not None:
        yield f"{event.source}\t{event.replaces}"
    if event.type == RETRACTED:
        yield f"{event.data.source or event.source}\t{event.data.id}"


def _bookings(event: Event, placed: Placed) -> Iterator[Booking]:
    data = event.data
    if placed.kind == "visits" or (placed.kind == "entries" and data.source != "inferred"):
        performer = data.practitioner_id if placed.kind == "visits" else data.performer_id
        yield Booking(event.subject, performer, data.start, data.end, event.identity)


def _conflicts(bookings: list[Booking]) -> dict[str, list[Conflict]]:
    """Every pair of bookings is looked at: slow, and plainly right."""
    found: dict[str, list[Conflict]] = defaultdict(list)
    for one, other in combinations(bookings, 2):
        start, end = max(one.start, other.start), min(one.end, other.end)
        if one.performer == other.performer and one.patient != other.patient and start < end:
            for booking in (one, other):
                found[booking.patient].append(Conflict(booking.performer, start, end, booking.identity))
    return found
