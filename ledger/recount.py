"""One patient recounted from the events: the documents, the bookings and every line of every month."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.decide import decide
from domain.facts import Conflict, Registry
from domain.lines import Key
from domain.records import MONTHLY, Facts, add, history, months_of, note_taken_out, place, reading_months, with_windows
from domain.rulebook import Rulebook
from domain.settlement import PatientMonth, Scope, Stored, settle
from ledger import schema
from ledger.accepting import Located, booking_of
from ledger.booking import Busy, conflicts_of
from ledger.database import chunks
from ledger.settling import stored_line
from ledger.trusted import reread


class Expectation(NamedTuple):
    """What a patient's facts are judged by."""

    rulebook: Rulebook
    tracked: Container[str]
    registry: Registry
    dead: Mapping[tuple[str, str], int]
    closures: Mapping[tuple[str, str], list[str | None]]


class Recount:
    """A patient's facts as the events have them."""

    def __init__(self) -> None:
        self.lasting: Facts = {}
        self.months: dict[str, Facts] = {}
        self.busy: set[Busy] = set()

    def take(self, raw: bytes, key: str, expected: Expectation) -> None:
        """Add what one event states."""
        event = reread(raw, expected.tracked)
        placed = place(event)
        if placed is None:
            return
        gone = expected.dead.get((event.tenant, event.identity))
        if gone is not None:
            monthly = [self.months.setdefault(month, {}) for month in months_of(placed.low, placed.high)] if placed.kind in MONTHLY else []
            for document in monthly or [self.lasting]:
                note_taken_out(document, placed.kind, gone)
            if placed.kind != "entries":
                return
        fact = (*placed.fact[:-1], True) if gone else tuple(placed.fact)
        if placed.kind in MONTHLY:
            for month in months_of(placed.low, placed.high):
                add(self.months.setdefault(month, {}), placed.kind, fact)
        else:
            add(self.lasting, placed.kind, fact)
        booked = None if gone else booking_of(Located(event, placed, key, ()))
        if booked is not None:
            self.busy.add(booked)


def check_patients(connection: Connection, tenant: str, keys: list[str], expected: Expectation) -> Iterator[str]:
    """Differences of some patients of a tenant."""
    counts = _recount(connection, tenant, keys, expected)
    patients = _documents(connection, keys)
    wanted = {f"{k}/{m}" for k in keys for m in (*patients.get(k, ((), {}))[0], *counts.get(k, Recount()).months)}
    months, lines = _months(connection, wanted), _lines(connection, tenant, keys)
    booked, conflicts = _bookings(connection, tenant, keys), conflicts_of(connection, keys)
    for key in keys:
        count, name = counts.get(key, Recount()), key.partition("/")[2]
        known, facts = patients.get(key, (set(), {}))
        if _rows(facts) != _rows(count.lasting):
            yield f"{tenant}: the stored facts of patient {name} differ from the events"
        if booked.get(key, set()) != count.busy:
            yield f"{tenant}: the stored bookings of patient {name} differ from the events"
        stored = months.get(key, {})
        for month in sorted({*known, *count.months, *stored, *lines.get(key, {})}):
            if _rows(stored.get(month, {})) != _rows(count.months.get(month, {})):
                yield f"{tenant}: the stored entries of patient {name} in {month} differ from the events"
        yield from _check_lines(PatientMonth(tenant, name, ""), count, lines.get(key, {}), known, conflicts.get(key, []), expected)


def _check_lines(
    one: PatientMonth,
    count: Recount,
    lines: Mapping[str, dict[Key, Stored]],
    known: set[str],
    conflicts: list[Conflict],
    expected: Expectation,
) -> Iterator[str]:
    """Deciding each month anew must change nothing."""
    months = {*known, *count.months, *lines}
    if count.lasting.get("set_ups"):
        months |= with_windows(count.months)
    for month in sorted(months):
        earlier = [count.months[m] for m in sorted(reading_months(count.lasting, month) & count.months.keys())]
        facts = history(count.lasting, count.months.get(month, {}), earlier, conflicts)
        decision = decide(facts, month, expected.registry, expected.rulebook)
        sites = expected.closures.get((one.tenant, month), [])
        scope = Scope(None in sites, frozenset(site for site in sites if site))
        here = one._replace(month=month)
        outcome = settle(here, lines.get(month, {}), decision.lines, scope, expected.rulebook.id, {})
        for changed in outcome.changed:
            yield f"{one.tenant}: line {changed.line_id} of patient {one.patient} in {month} is not what the events come to"


def _rows(facts: Facts) -> dict[str, set[Any]]:
    return {kind: {tuple(row) for row in rows} for kind, rows in facts.items() if rows}


def _recount(connection: Connection, tenant: str, keys: list[str], expected: Expectation) -> dict[str, Recount]:
    t = schema.events.c
    statement = select(t.subject, t.raw).where(t.tenant == tenant, t.subject.in_(bindparam("subjects", expanding=True)))
    found: dict[str, Recount] = {}
    for subject, raw in connection.execute(statement, {"subjects": [key.partition("/")[2] for key in keys]}).all():
        key = f"{tenant}/{subject}"
        found.setdefault(key, Recount()).take(raw, key, expected)
    return found


def _documents(connection: Connection, keys: list[str]) -> dict[str, tuple[set[str], Facts]]:
    t = schema.patients.c
    found = {}
    for key, text in connection.execute(select(t.key, t.facts).where(t.key.in_(keys))):
        document = orjson.loads(text)
        known = set(document.pop("months"))
        document.pop("references")
        document.pop("roster")
        found[key] = (known, document)
    return found


def _months(connection: Connection, month_keys: Iterable[str]) -> dict[str, dict[str, Facts]]:
    t = schema.months.c
    found: dict[str, dict[str, Facts]] = {}
    for chunk in chunks(sorted(month_keys)):
        for month_key, facts in connection.execute(select(t.key, t.facts).where(t.key.in_(chunk))).all():
            key, _, month = month_key.rpartition("/")
            found.setdefault(key, {})[month] = orjson.loads(facts)
    return found


def _lines(connection: Connection, tenant: str, keys: list[str]) -> dict[str, dict[str, dict[Key, Stored]]]:
    t = schema.lines.c
    statement = select(schema.lines).where(t.tenant == tenant, t.patient.in_([key.partition("/")[2] for key in keys]))
    found: dict[str, dict[str, dict[Key, Stored]]] = {}
    for row in connection.execute(statement).mappings():
        stored = stored_line(row)
        found.setdefault(f"{tenant}/{row['patient']}", {}).setdefault(row["month"], {})[stored.key] = stored
    return found


def _bookings(connection: Connection, tenant: str, keys: list[str]) -> dict[str, set[Busy]]:
    t = schema.busy.c
    statement = select(t.start, t.identity, t.end, t.tenant, t.performer, t.patient, t.time).where(t.tenant == tenant, t.patient.in_(keys))
    found: dict[str, set[Busy]] = {}
    for row in connection.execute(statement).all():
        found.setdefault(row[5], set()).add(Busy._make(row))
    return found
