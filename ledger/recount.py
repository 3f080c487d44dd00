"""A patient's facts counted anew from the bytes of the events, each event held against its columns and its digest on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, func, select

from domain.events import Event, digest
from domain.facts import Entry, History, Reading, Registry
from domain.instants import parse_instant
from domain.records import TYPES, Facts, months_of, note_taken_out, place
from domain.roster import Rosters
from ledger import schema
from ledger.rules import Rules
from ledger.trusted import FORMS, turned

TIME: Final = "care.time.logged.v1"
READING: Final = "care.device.reading.v1"
_TIME: Final = FORMS[TIME][0]
_READING: Final = FORMS[READING][0]
_T: Final = schema.events.c
_NAMED: Final = _T.source + "\t" + _T.id + "\t" + _T.type + "\t" + func.coalesce(_T.replaces, "")
"""Four columns in one text: a text costs the driver as much as a comparison."""
_EVENTS: Final = (
    select(_T.subject, _T.time, _T.digest, _T.raw, _NAMED)
    .where(_T.tenant == bindparam("tenant"), _T.subject.in_(bindparam("subjects", expanding=True)))
    .order_by(_T.tenant, _T.subject, _T.seq)
)  # fmt: skip


class Expectation(NamedTuple):
    """What the facts of a tenant's patients are judged by; `stands` are its closes that something named, each with what did."""

    rules: Rules
    tracked: Container[str]
    registry: Registry
    dead: Mapping[str, int]
    closures: Mapping[str, list[str | None]]
    rosters: Rosters
    stands: Sequence[tuple[str, str]] = ()


class Recount:
    """A patient's facts as the events have them.

    `months` are documents by month, `known` further months that the patient's document must name, `possible` those it may
    name; `busy` are the bookings, `sites` and `people` those referred to, `wrong` the events whose columns or digest are not those
    of their bytes.
    """

    def __init__(self, patient: str) -> None:
        self.patient = patient
        self.lasting: Facts = {}
        self.months: dict[str, Facts] = {}
        self.busy: list[tuple[Any, ...]] = []
        self.known: set[str] = set()
        self.possible: set[str] = set()
        self.sites: set[str] = set()
        self.people: set[str] = set()
        self.wrong = 0

    @property
    def subjects(self) -> set[str]:
        """The sites and people named, as references have them."""
        return {f"person:{person}" for person in self.people} | {f"site:{site}" for site in self.sites}

    def take(self, tenant: str, row: Sequence[Any], expected: Expectation) -> None:
        """Add what one event states: a row of subject, time, digest, bytes, and of source, id, type and `replaces` by tabs."""
        subject, time, content, raw, named = row
        obj = orjson.loads(raw)
        kind, identity, gone = obj["type"], f"{obj['source']}\t{obj['id']}", obj.get("replaces") or ""
        head = f"{kind}\n{subject}\n{time}\n{gone}\n".encode()
        if kind == TIME:
            stated = self._time(obj["data"], head, time, identity, expected.dead.get(identity))
        elif kind == READING:
            stated = self._reading(obj["data"], head, time, identity, expected.dead.get(identity))
        else:
            stated = self._other(turned(obj, expected.tracked), expected.dead.get(identity))
        if (
            stated != content
            or named != f"{identity}\t{kind}\t{gone}"
            or obj["subject"] != subject
            or obj["tenant"] != tenant
            or parse_instant(obj["time"]) != time
        ):
            self.wrong += 1

    def _time(self, data: Any, head: bytes, time: int, identity: str, gone: int | None) -> bytes:
        """Logged time, by far the most frequent: straight from the object to the row of an `Entry`. Returns the digest."""
        d = {**_TIME, **data}
        d["start"] = start = parse_instant(d["start"])
        d["end"] = end = parse_instant(d["end"])
        if d["supervision"] is None:
            d["supervision"] = "general"
        _, practitioner, performer, site, _, _, _, interactive, source, supervision = d.values()
        row = [
            start, time, identity, end, d["program"], practitioner, performer, site, source, interactive, supervision == "direct",
            gone is not None,
        ]  # fmt: skip
        self.people.add(performer)
        self.sites.add(site)
        if gone is not None:
            self._taken_out("entries", months_of(start, end), gone)
        elif source != "inferred":
            self.busy.append((start, identity, end, performer, time, self.patient))
        for month in months_of(start, end):
            try:
                self.months[month]["entries"].append(row)
            except KeyError:
                self.months.setdefault(month, {})["entries"] = [row]
        return blake2b(head + orjson.dumps(d), digest_size=16).digest()

    def _reading(self, data: Any, head: bytes, time: int, identity: str, gone: int | None) -> bytes:
        d = {**_READING, **data}
        d["at"] = at = parse_instant(d["at"])
        if gone is not None:
            self.possible.update(months_of(at, at + 1))
            self._taken_out("readings", months_of(at, at + 1), gone)
        else:
            row = [at, identity, d["program"], d["kind"], time]
            for month in months_of(at, at + 1):
                try:
                    self.months[month]["readings"].append(row)
                except KeyError:
                    self.months.setdefault(month, {})["readings"] = [row]
        return blake2b(head + orjson.dumps(d), digest_size=16).digest()

    def _taken_out(self, kind: str, months: Sequence[str], time: int) -> None:
        for month in months:
            note_taken_out(self.months.setdefault(month, {}), kind, time)

    def _other(self, event: Event, gone: int | None) -> bytes:
        placed = place(event)
        if placed is None:
            return digest(event)
        fact, months = placed.fact, months_of(placed.low, placed.high)
        site = getattr(fact, "site", None)
        if site:
            self.sites.add(site)
        if placed.kind == "visits":
            self.people.add(fact.practitioner)
        if gone is not None:
            self.possible.update(months)
            note_taken_out(self.lasting, placed.kind, gone)
            return digest(event)
        self.lasting.setdefault(placed.kind, []).append(list(fact))
        if placed.kind == "visits":
            self.known.update(months)
            self.busy.append((fact.start, fact.identity, fact.end, fact.practitioner, event.time, self.patient))
        return digest(event)


def recount(connection: Connection, tenant: str, subjects: Sequence[str], expected: Expectation) -> dict[str, Recount]:
    """The facts of these subjects of a tenant, by subject."""
    found: dict[str, Recount] = {}
    for row in connection.execute(_EVENTS, {"tenant": tenant, "subjects": subjects}).all():
        count = found.get(row[0])
        if count is None:
            count = found[row[0]] = Recount(f"{tenant}/{row[0]}")
        try:
            count.take(tenant, row, expected)
        except (LookupError, TypeError, ValueError, AttributeError):
            count.wrong += 1
    return found


def same(stored: Facts, counted: Facts) -> bool:
    """Whether two documents have the same rows, in whatever order."""
    if stored == counted:
        return True
    kinds = {kind for facts in (stored, counted) for kind, rows in facts.items() if rows}
    try:
        return all(Counter(map(orjson.dumps, stored.get(kind, ()))) == Counter(map(orjson.dumps, counted.get(kind, ()))) for kind in kinds)
    except TypeError:
        return False


class Months:
    """A patient's facts as deciding takes them, month by month; what bears on many months is made once."""

    def __init__(self, count: Recount, conflicts: Sequence[Any]) -> None:
        self._lasting: dict[str, Any] = {
            kind: [TYPES[kind]._make(row) for row in rows] for kind, rows in count.lasting.items() if kind in TYPES
        }
        self._count = count
        self._conflicts = conflicts
        self._readings: dict[str, list[Reading]] = {}

    def history(self, month: str, earlier: Sequence[str]) -> History:
        """The facts that bear on a month, with the readings of some earlier months."""
        facts = self._count.months.get(month, {})
        readings = [reading for m in (*earlier, month) for reading in self._read(m)] if "set_ups" in self._lasting else ()
        entries = [Entry._make(row) for row in facts.get("entries", ())]
        return History(**self._lasting, entries=entries, readings=readings, conflicts=self._conflicts)

    def _read(self, month: str) -> list[Reading]:
        readings = self._readings.get(month)
        if readings is None:
            rows = self._count.months.get(month, {}).get("readings", ())
            readings = self._readings[month] = [Reading._make(row) for row in rows]
        return readings
