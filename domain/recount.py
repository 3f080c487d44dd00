"""A patient's facts counted anew from objects of the events, each event held against its columns and its digest on the way."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from domain.event import Event
from domain.events import digest
from domain.instants import parse_instant
from domain.records import Facts, months_of, note_taken_out, place
from domain.sums import Sums, term
from domain.trusted import FORMS, turned

Named = tuple[str, str, str, str | None, str]
"""An event's columns of text: source, id, type, `replaces`, and its identity."""
TIME: Final = "care.time.logged.v1"
READING: Final = "care.device.reading.v1"
_TIME: Final[dict[str, Any]] = dict(FORMS[TIME][0])
_READING: Final[dict[str, Any]] = dict(FORMS[READING][0])


class Told(NamedTuple):
    """What is told of a tenant's events beside them: the programs whose enrolments have a track, the identities that something took out,
    each with when that was recorded, and how JSON is read and written."""

    tracked: Container[str]
    dead: Mapping[str, int]
    loads: Callable[[bytes], Any]
    dumps: Callable[[Any], bytes]


class Recount:
    """A patient's facts as the events have them.

    `months` are documents by month, `known` further months that the patient's document must name, `possible` those it may
    name; `booked` is the sum of the bookings, `sites` and `people` are those referred to, `wrong` the events whose columns or digest are
    not those of their bytes.
    """

    def __init__(self, tenant: str, subject: str) -> None:
        self.tenant = tenant
        self.subject = subject
        self.patient = f"{tenant}/{subject}"
        self.lasting: Facts = {}
        self.months: dict[str, Facts] = {}
        self.booked = 0
        self.known: set[str] = set()
        self.possible: set[str] = set()
        self.sites: set[str] = set()
        self.people: set[str] = set()
        self.wrong = 0
        self._time_head: Any = blake2b(f"{TIME}\n{subject}\n".encode(), digest_size=16)
        self._reading_head: Any = blake2b(f"{READING}\n{subject}\n".encode(), digest_size=16)

    @property
    def subjects(self) -> set[str]:
        """The sites and people named, as references have them."""
        return {f"person:{person}" for person in self.people} | {f"site:{site}" for site in self.sites}

    def take(self, time: int, content: bytes, obj: dict[str, Any], row: Named, told: Told) -> bool:
        """Add what one event states, and say whether its columns, `row` among them, are its own."""
        tracked, dead, _, dumps = told
        kind: str = obj["type"]
        source, name, typed, cause, identity = row
        own = source == obj["source"] and name == obj["id"]
        if not own:
            identity = f"{obj['source']}\t{obj['id']}"
        replaced = obj.get("replaces") or ""
        gone = dead.get(identity)
        if kind == TIME:
            head = f"{time}\n{replaced}\n".encode()
            stated = _hashed(self._time_head, head + dumps(self._time(obj["data"], time, identity, gone)))
        elif kind == READING:
            head = f"{time}\n{replaced}\n".encode()
            stated = _hashed(self._reading_head, head + dumps(self._reading(obj["data"], time, identity, gone)))
        else:
            stated = digest(self._other(obj, tracked, gone))
        return (
            stated == content
            and own
            and typed == kind
            and (cause or "") == replaced
            and obj["subject"] == self.subject
            and obj["tenant"] == self.tenant
            and parse_instant(obj["time"]) == time
        )

    def _time(self, data: dict[str, Any], time: int, identity: str, gone: int | None) -> dict[str, Any]:
        """Logged time, by far the most frequent: straight from the object to the row of an `Entry`. Returns what the digest is of."""
        d = _TIME.copy()
        d.update(data)
        start = parse_instant(d["start"])
        end = parse_instant(d["end"])
        d["start"], d["end"] = start, end
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
        return d

    def _reading(self, data: dict[str, Any], time: int, identity: str, gone: int | None) -> dict[str, Any]:
        d = _READING.copy()
        d.update(data)
        at = parse_instant(d["at"])
        d["at"] = at
        months = months_of(at, at + 1)
        if gone is not None:
            self.possible.update(months)
            self._taken_out("readings", months, gone)
        else:
            self._put("readings", months, (at, identity, d["program"], d["kind"], time))
        return d

    def _put(self, kind: str, months: tuple[str, ...], row: tuple[Any, ...]) -> None:
        for month in months:
            facts = self.months.get(month)
            if facts is None:
                facts = self.months[month] = {}
            rows = facts.get(kind)
            if rows is None:
                facts[kind] = [row]
            else:
                rows.append(row)

    def _taken_out(self, kind: str, months: Sequence[str], time: int) -> None:
        for month in months:
            note_taken_out(self.months.setdefault(month, {}), kind, time)

    def _other(self, obj: dict[str, Any], tracked: Container[str], gone: int | None) -> Event:
        event = turned(obj, tracked)
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


def _hashed(head: Any, text: bytes) -> bytes:
    whole = head.copy()
    whole.update(text)
    found: bytes = whole.digest()
    return found


def recounted(tenant: str, rows: Iterable[Sequence[Any]], told: Told, sums: Sums) -> dict[str, Recount]:
    """The facts by subject; the events are added to the sums. Rows are of subject, time, digest, bytes, source, id, type and `replaces`."""
    found: dict[str, Recount] = {}
    events = terms = 0
    for subject, time, content, raw, source, name, typed, replaces in rows:
        count = found.get(subject)
        if count is None:
            count = found[subject] = Recount(tenant, subject)
        try:
            identity = f"{source}\t{name}"
            terms += term(identity, content)
            events += 1
            if not count.take(time, content, told.loads(raw), (source, name, typed, replaces, identity), told):
                count.wrong += 1
        except (LookupError, TypeError, ValueError, AttributeError):
            count.wrong += 1
    sums.include({tenant: (events, terms)})
    return found
