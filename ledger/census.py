"""What `verify` checks over whole tables, in passes that hold no more than a few numbers or the rare rows they are about."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, func, select

from domain.facts import Registry
from domain.registry import Registration, registry_of
from domain.rulebook_compile import digest
from domain.sums import History
from domain.trusted import RETRACTED
from ledger import histories, registrations, schema
from ledger.accepting import CLOSE
from ledger.arrivals import letter_id, target_of
from ledger.booking import Busy, sweep
from ledger.holdings import parsed
from ledger.rows import passed
from ledger.rules import Rules
from ledger.trusted import reread

TOLD: Final = 20
"""So many differences of one kind are told at most."""
_ABOUT: Final = re.compile(rb'\{"specversion":"1\.0","id":"[^"]*","source":"[^"]*","type":"[^"]*","tenant":"([^"]*","subject":"[^"]*)"')
"""Tenant and subject in one piece: as many pieces are decoded as there are patients."""
_NOBODY: Final = b'?","subject":"?'


class Common(NamedTuple):
    """What all patients' audits share, recomputed from the events: `dead` are, by tenant, the identities that
    something took out, with the latest time it was recorded, `stands` closes that something named."""

    rules: Rules
    registries: dict[str, Registry]
    dead: dict[str, dict[str, int]]
    tombstones: set[tuple[str, str, str, int]]
    closures: list[tuple[str, str, str | None, str, int]]

    def months_closed(self, tenant: str) -> dict[str, list[str | None]]:
        """The sites of the closes of each month; None for all of them."""
        found: dict[str, list[str | None]] = {}
        for _, month, site, _, _ in (row for row in self.closures if row[0] == tenant):
            found.setdefault(month, []).append(site)
        return found

    def stands(self, tenant: str) -> list[tuple[str, str]]:
        """The closes of a tenant that something named, each with what did."""
        closes = {identity for named, _, _, identity, _ in self.closures if named == tenant}
        return sorted((identity, cause) for named, identity, cause, _ in self.tombstones if named == tenant and identity in closes)


def common(connection: Connection, rules: Rules) -> Common:
    """Registrations, closes and dead identities, in one pass over the events that may carry them."""
    t = schema.events.c
    held: dict[str, list[Registration]] = {}
    found = Common(rules, {}, {}, set(), [])
    kinds = (registrations.SITE, registrations.PERSON)
    some = t.type.in_((*kinds, CLOSE, RETRACTED)) | t.replaces.is_not(None)
    for (raw,) in passed(connection, select(t.raw).where(some).order_by(t.seq)):
        try:
            event = reread(raw, ())
        except (LookupError, TypeError, ValueError):
            continue  # the audit of its subject tells of it
        for identity in target_of(event):
            dead = found.dead.setdefault(event.tenant, {})
            dead[identity] = max(event.time, dead.get(identity, 0))
            found.tombstones.add((event.tenant, identity, event.identity, event.time))
        if event.type in kinds:
            held.setdefault(event.tenant, []).append(Registration.of(event))
        elif event.type == CLOSE:
            found.closures.append((event.tenant, event.data.month, event.data.site_id, event.identity, event.time))
    for tenant, registered in held.items():
        found.registries[tenant] = registry_of(r for r in registered if r.identity not in found.dead.get(tenant, ()))
    return found


def numbers(connection: Connection) -> Iterator[str]:
    """Holes in the numbers of events and decisions, which are given without."""
    for table, column, what in ((schema.events, schema.events.c.seq, "events"), (schema.outbox, schema.outbox.c.sequence, "decisions")):
        last, there = connection.execute(select(func.max(column), func.count()).select_from(table)).one()
        if there != (last or 0):
            yield f"{(last or 0) - there} of {last} {what} are missing: their numbers have holes"


def sums(connection: Connection, counted: Mapping[str, History]) -> Iterator[str]:
    """The sums of the tenants' events, by which a replay knows whether history has moved, against those of the events there are."""
    stored = histories.of(connection)
    for tenant in sorted(counted.keys() | stored.keys()):
        if counted.get(tenant) != stored.get(tenant):
            yield f"{tenant}: the sum of the accepted events is not that of the events stored"


def waiting(connection: Connection) -> Iterator[str]:
    """What an interruption left to be done."""
    for table, what in ((schema.due, "decisions"), (schema.closings, "closes")):
        number = connection.execute(select(func.count()).select_from(table)).scalar() or 0
        if number:
            yield f"{number} {what} wait to be carried out after an interruption; any ingest does it, also of an empty file"


def rule_sets(connection: Connection) -> Iterator[str]:
    """Stored rules that are no longer those their digest names."""
    t = schema.rule_sets.c
    for name, identifier, document in connection.execute(select(t.digest, t.id, t.document)):
        try:
            parsed = orjson.loads(document)
            sound = digest(parsed) == name and identifier in (parsed["ruleset"]["id"], f"{parsed['ruleset']['id']}+{name[:8]}")
        except (LookupError, TypeError, ValueError):
            sound = False
        if not sound:
            yield f"the stored rule set {name[:12]} is not the one its digest names"


def activations(connection: Connection) -> Iterator[str]:
    """Activations that cannot have been made so: numbers with holes, rules that are not stored, nothing that could be taken back."""
    t = schema.activations
    stored = set(connection.execute(select(schema.rule_sets.c.digest)).scalars())
    seen: dict[int, Any] = {}
    for number, row in enumerate(connection.execute(select(t).order_by(t.c.seq)), 1):
        back = row.reverts
        if row.seq != number or row.digest not in stored or (back is not None and (back not in seen or seen[back].reverts is not None)):
            yield f"activation {row.seq} is not one that was made: rows before it are missing, or what it names is"
        seen[row.seq] = row


def letters(connection: Connection) -> Iterator[str]:
    """Dead letters whose id is not that of their origin and bytes."""
    t = schema.dead_letters.c
    for number, name, origin, raw in passed(connection, select(t.seq, t.id, t.origin, t.raw)):
        if letter_id(origin, raw) != name:
            yield f"dead letter {number} is not the one that was parked"


def registered(connection: Connection, found: Common) -> Iterator[str]:
    """Registrations, closes and tombstones against the events."""
    tenants = connection.execute(select(schema.registrations.c.tenant).distinct()).scalars().all()
    for tenant in sorted({*tenants, *found.registries}):
        if _registry(connection, tenant) != found.registries.get(tenant, Registry()):
            yield f"{tenant}: the stored registrations of sites and people differ from the events"
    t = schema.closures.c
    stored = [tuple(row) for row in connection.execute(select(t.tenant, t.month, t.site, t.identity, t.time))]
    if sorted(stored, key=repr) != sorted(found.closures, key=repr):
        yield "the stored closes differ from the events"
    g = schema.tombstones.c
    if {tuple(row) for row in connection.execute(select(g.tenant, g.identity, g.cause, g.time))} != found.tombstones:
        yield "the stored retractions and replacements differ from the events"


def _registry(connection: Connection, tenant: str) -> Registry | None:
    try:
        return registrations.load(connection, tenant)
    except (TypeError, ValueError):
        return None


def booked(connection: Connection) -> tuple[list[str], dict[str, int]]:
    """Double bookings found anew from the bookings, where they differ from those stored; and the sum of each patient's bookings, which is
    held against the events."""
    sums: dict[str, int] = {}
    return list(_double_booked(connection, sums)), sums


def _double_booked(connection: Connection, sums: dict[str, int]) -> Iterator[str]:
    c = schema.conflicts.c
    columns = (c.tenant, c.identity, c.other_identity, c.patient_key, c.other_patient, c.performer, c.start, c.end)
    stored = {tuple(row) for row in connection.execute(select(*columns))}
    expected = {
        (one.tenant, one.identity, other.identity, one.patient, other.patient, one.performer, clash.start, clash.end)
        for cluster in _clusters(connection, sums)
        for clash in sweep(map(Busy._make, cluster))
        for one, other in ((clash.one, clash.other), (clash.other, clash.one))
    }
    for tenant, patient in sorted({(row[0], row[3]) for row in expected ^ stored})[:TOLD]:
        yield f"{tenant}: the double bookings of patient {patient.partition('/')[2]} differ from the events"


def _clusters(connection: Connection, sums: dict[str, int]) -> Iterator[Sequence[Any]]:
    """Bookings of one performer each of which begins before one of those before it ends; not those that stand alone.

    On the way each booking is added to the sum of its patient's.
    """
    b = schema.busy.c
    statement = select(b.start, b.identity, b.end, b.tenant, b.performer, b.patient, b.time)
    cluster: list[Any] = []
    until, whose = 0, ("", "")
    for booking in passed(connection, statement.order_by(b.tenant, b.performer, b.start, b.identity)):
        start, _, end, tenant, performer, patient, _ = booking
        sums[patient] = sums.get(patient, 0) + hash(booking)
        if start >= until or (tenant, performer) != whose:
            if len(cluster) > 1:
                yield cluster
            cluster, until, whose = [], 0, (tenant, performer)
        cluster.append(booking)
        until = max(until, end)
    if len(cluster) > 1:
        yield cluster


def references(connection: Connection) -> Iterator[str]:
    """The table of references against the patients' documents, which their audits compare with the events: a sum of hashes each."""
    t = schema.references.c
    sums: dict[str, int] = {}
    for tenant, subject, patient in passed(connection, select(t.tenant, t.subject, t.patient)):
        sums[patient] = sums.get(patient, 0) + hash((tenant, subject))
    for key, facts in passed(connection, select(schema.patients.c.key, schema.patients.c.facts)):
        tenant = key.partition("/")[0]
        stored = sum(hash((tenant, subject)) for subject in parsed(facts).get("references", ()))
        if sums.pop(key, 0) != stored:
            sums[key] = 1
    for key in [key for key, total in sums.items() if total][:TOLD]:
        tenant, _, name = key.partition("/")
        yield f"{tenant}: the stored references of patient {name} to sites and people differ from the events"


def decisions(connection: Connection) -> dict[str, array[int]]:
    """The numbers of the decisions about each patient, eight bytes each: the outbox itself knows only their order."""
    t = schema.outbox.c
    found: dict[bytes, array[int]] = {}
    for number, event in passed(connection, select(t.sequence, t.event).order_by(t.sequence)):
        about = _ABOUT.match(event)
        piece = about[1] if about else _NOBODY
        numbers = found.get(piece)
        if numbers is None:
            numbers = found[piece] = array("q")
        numbers.append(number)
    return {"/".join(piece.decode().split('","subject":"')): numbers for piece, numbers in found.items()}


def sizes(connection: Connection) -> Counter[str]:
    """How many rows the tables have whose every row is a patient's."""
    tables = (schema.patients, schema.months, schema.lines, schema.outbox)
    return Counter({table.name: connection.execute(select(func.count()).select_from(table)).scalar() or 0 for table in tables})


def subjects(connection: Connection) -> Iterable[str]:
    """Keys of all that anything is stored about."""
    t, line = schema.events.c, schema.lines.c
    stored = connection.execute(select(schema.patients.c.key)).scalars()
    named = (connection.execute(select(tenant, who).distinct()) for tenant, who in ((t.tenant, t.subject), (line.tenant, line.patient)))
    return {*stored, *(f"{tenant}/{who}" for pairs in named for tenant, who in pairs)}
