"""A patient's facts counted anew from the bytes of the events, each event held against its columns and its digest on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence, Set
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.events import digest
from domain.facts import Entry, History, Reading, Registry
from domain.instants import parse_instant
from domain.records import MONTHLY, TYPES, Facts, months_of, place
from domain.rulebook import Rulebook
from ledger import schema
from ledger.trusted import FORMS, turned

TIME: Final = "care.time.logged.v1"
READING: Final = "care.device.reading.v1"
_TIME: Final = FORMS[TIME][0]
_READING: Final = FORMS[READING][0]
_T: Final = schema.events.c
_EVENTS: Final = (
    select(_T.subject, _T.source, _T.id, _T.type, _T.time, _T.replaces, _T.digest, _T.raw)
    .where(_T.tenant == bindparam("tenant"), _T.subject.in_(bindparam("subjects", expanding=True)))
    .order_by(_T.tenant, _T.subject, _T.seq)
)  # fmt: skip


class Expectation(NamedTuple):
    """What the facts of a tenant's patients are judged by; `stands` are its closes that something named, each with what did."""

    rulebook: Rulebook
    tracked: Container[str]
    registry: Registry
    dead: Set[str]
    closures: Mapping[str, list[str | None]]
    stands: Sequence[tuple[str, str]] = ()


class Stated(NamedTuple):
    """What one event states: the digest of its content and, where it is about a patient's care, the row of a fact and its place."""

    content: bytes
    kind: str = ""
    row: list[Any] | None = None
    low: int = 0
    high: int = 0
    performer: str | None = None
    site: str | None = None


class Recount:
    """A patient's facts as the events have them.

    `months` are documents by month, `known` further months that the patient's document must name, `possible` those it may
    name; `busy` the bookings, `subjects` the sites and people referred to, `wrong` the count of events whose columns or digest are not those of their bytes.
    """

    def __init__(self) -> None:
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
        """Add what one event states: a row of subject, source, id, type, time, replaces, digest and bytes."""
        subject, source, identifier, kind, time, replaces, content, raw = row
        obj = orjson.loads(raw)
        identity = f"{source}\t{identifier}"
        reader = _FREQUENT.get(kind)
        stated = reader(obj, identity, time) if reader else _any(obj, expected.tracked)
        if (
            stated.content != content
            or parse_instant(obj["time"]) != time
            or (obj["tenant"], obj["subject"], obj["source"], obj["id"], obj["type"], obj.get("replaces"))
            != (tenant, subject, source, identifier, kind, replaces)
        ):
            self.wrong += 1
        if stated.row is not None:
            self._put(tenant, stated, stated.row, identity, time, identity in expected.dead)

    def _put(self, tenant: str, stated: Stated, row: list[Any], identity: str, time: int, gone: bool) -> None:
        _, kind, _, low, high, performer, site = stated
        if performer is not None:
            self.people.add(performer)
        if site:
            self.sites.add(site)
        months = months_of(low, high)
        if gone and kind != "entries":
            self.possible.update(months)
            return
        if kind in MONTHLY:
            for month in months:
                facts = self.months.get(month)
                if facts is None:
                    facts = self.months[month] = {}
                facts.setdefault(kind, []).append(row)
        else:
            self.lasting.setdefault(kind, []).append(row)
            if kind == "visits":
                self.known.update(months)
        if gone:
            row[-1] = True
        elif kind == "entries" and row[8] != "inferred" or kind == "visits":
            self.busy.append((low, identity, high, tenant, performer, time))


def _time(obj: Any, identity: str, time: int) -> Stated:
    """Logged time, by far the most frequent: straight from the object to the row of an `Entry`."""
    d = {**_TIME, **obj["data"]}
    d["start"] = start = parse_instant(d["start"])
    d["end"] = end = parse_instant(d["end"])
    if d["supervision"] is None:
        d["supervision"] = "general"
    performer, site = d["performer_id"], d["site_id"]
    row = [
        start, time, identity, end, d["program"], d["practitioner_id"], performer, site, d["source"], d["interactive"],
        d["supervision"] == "direct", False,
    ]  # fmt: skip
    return Stated(_content(obj, time, d), "entries", row, start, end, performer, site)


def _reading(obj: Any, identity: str, time: int) -> Stated:
    d = {**_READING, **obj["data"]}
    d["at"] = at = parse_instant(d["at"])
    return Stated(_content(obj, time, d), "readings", [at, identity, d["program"], d["kind"], time], at, at + 1)


def _content(obj: Any, time: int, data: dict[str, Any]) -> bytes:
    """`domain.events.digest` of an event all of whose fields have a value."""
    head = f"{obj['type']}\n{obj['subject']}\n{time}\n{obj.get('replaces') or ''}\n"
    return blake2b(head.encode() + orjson.dumps(data), digest_size=16).digest()


_FREQUENT: Final[Mapping[str, Callable[[Any, str, int], Stated]]] = {TIME: _time, READING: _reading}


def _any(obj: Any, tracked: Container[str]) -> Stated:
    event = turned(obj, tracked)
    placed = place(event)
    if placed is None:
        return Stated(digest(event))
    fact = placed.fact
    performer = fact.practitioner if placed.kind == "visits" else None
    return Stated(digest(event), placed.kind, list(fact), placed.low, placed.high, performer, getattr(fact, "site", None))


def recount(connection: Connection, tenant: str, subjects: Sequence[str], expected: Expectation) -> dict[str, Recount]:
    """The facts of these subjects of a tenant, by subject."""
    found: dict[str, Recount] = {}
    for row in connection.execute(_EVENTS, {"tenant": tenant, "subjects": subjects}).all():
        count = found.get(row[0])
        if count is None:
            count = found[row[0]] = Recount()
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
    return all(Counter(map(orjson.dumps, stored.get(kind, ()))) == Counter(map(orjson.dumps, counted.get(kind, ()))) for kind in kinds)


class Months:
    """A patient's facts as deciding takes them, month by month; what bears on many months is made once."""

    def __init__(self, count: Recount, conflicts: Sequence[Any]) -> None:
        self._lasting: dict[str, Any] = {kind: [TYPES[kind]._make(row) for row in rows] for kind, rows in count.lasting.items()}
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


