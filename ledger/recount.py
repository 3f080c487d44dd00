"""A patient's facts counted anew from the bytes of the events, each event held against its columns and its digest on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, func, select

from domain.events import Event, digest
from domain.facts import Registry
from domain.instants import parse_instant
from domain.records import Facts, months_of, note_taken_out, place
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
    name; `booked` is the sum of the bookings, `sites` and `people` are those referred to, `wrong` the events whose columns or digest are
    not those of their bytes.
    """

    def __init__(self, tenant: str, subject: str) -> None:
        self.tenant = tenant
        self.patient = f"{tenant}/{subject}"
        self.lasting: Facts = {}
        self.months: dict[str, Facts] = {}
        self.booked = 0
        self.known: set[str] = set()
        self.possible: set[str] = set()
        self.sites: set[str] = set()
        self.people: set[str] = set()
        self.wrong = 0
        self._heads = {kind: blake2b(f"{kind}\n{subject}\n".encode(), digest_size=16) for kind in (TIME, READING)}

    @property
    def subjects(self) -> set[str]:
        """The sites and people named, as references have them."""
        return {f"person:{person}" for person in self.people} | {f"site:{site}" for site in self.sites}

    def take(self, row: Sequence[Any], expected: Expectation) -> None:
        """Add what one event states: a row of subject, time, digest, bytes, and of source, id, type and `replaces` by tabs."""
        subject, time, content, raw, named = row
        obj = orjson.loads(raw)
        kind, identity, gone = obj["type"], f"{obj['source']}\t{obj['id']}", obj.get("replaces") or ""
        dead = expected.dead.get(identity)
        head = self._heads.get(kind)
        if head is None:
            stated = digest(self._other(obj, expected, dead))
        else:
            hashed, frequent = head.copy(), self._time if kind == TIME else self._reading
            hashed.update(f"{time}\n{gone}\n".encode() + frequent(obj["data"], time, identity, dead))
            stated = hashed.digest()
        if (
            stated != content
            or named != f"{identity}\t{kind}\t{gone}"
            or obj["subject"] != subject
            or obj["tenant"] != self.tenant
            or parse_instant(obj["time"]) != time
        ):
            self.wrong += 1

    def _time(self, data: Any, time: int, identity: str, gone: int | None) -> bytes:
        """Logged time, by far the most frequent: straight from the object to the row of an `Entry`. Returns what the digest is of."""
        d = {**_TIME, **data}
        start = d["start"] = parse_instant(d["start"])
        end = d["end"] = parse_instant(d["end"])
        if d["supervision"] is None:
            d["supervision"] = "general"
        program, practitioner, performer, site, _, _, _, interactive, source, supervision = d.values()
        row = (
            start, time, identity, end, program, practitioner, performer, site, source, interactive, supervision == "direct",
            gone is not None,
        )  # fmt: skip
        self.people.add(performer)
        self.sites.add(site)
        months = months_of(start, end)
        if gone is not None:
            self._taken_out("entries", months, gone)
        elif source != "inferred":
            self.booked += hash((start, identity, end, self.tenant, performer, self.patient, time))
        self._put("entries", months, row)
        return orjson.dumps(d)

    def _reading(self, data: Any, time: int, identity: str, gone: int | None) -> bytes:
        d = {**_READING, **data}
        at = d["at"] = parse_instant(d["at"])
        months = months_of(at, at + 1)
        if gone is not None:
            self.possible.update(months)
            self._taken_out("readings", months, gone)
            return orjson.dumps(d)
        self._put("readings", months, (at, identity, d["program"], d["kind"], time))
        return orjson.dumps(d)

    def _put(self, kind: str, months: Sequence[str], row: Sequence[Any]) -> None:
        for month in months:
            try:
                self.months[month][kind].append(row)
            except KeyError:
                self.months.setdefault(month, {})[kind] = [row]

    def _taken_out(self, kind: str, months: Sequence[str], time: int) -> None:
        for month in months:
            note_taken_out(self.months.setdefault(month, {}), kind, time)

    def _other(self, obj: Any, expected: Expectation, gone: int | None) -> Event:
        event = turned(obj, expected.tracked)
        placed = place(event)
        if placed is None:
            return event
        fact, months = placed.fact, months_of(placed.low, placed.high)
        site = getattr(fact, "site", None)
        if site:
            self.sites.add(site)
        if placed.kind == "visits":
            self.people.add(fact.practitioner)
        if gone is not None:
            self.possible.update(months)
            note_taken_out(self.lasting, placed.kind, gone)
            return event
        self.lasting.setdefault(placed.kind, []).append(list(fact))
        if placed.kind == "visits":
            self.known.update(months)
            self.booked += hash((fact.start, fact.identity, fact.end, self.tenant, fact.practitioner, self.patient, event.time))
        return event


def recount(connection: Connection, tenant: str, subjects: Sequence[str], expected: Expectation) -> dict[str, Recount]:
    """The facts of these subjects of a tenant, by subject."""
    found: dict[str, Recount] = {}
    for row in connection.execute(_EVENTS, {"tenant": tenant, "subjects": subjects}).all():
        count = found.get(row[0])
        if count is None:
            count = found[row[0]] = Recount(tenant, row[0])
        try:
            count.take(row, expected)
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
