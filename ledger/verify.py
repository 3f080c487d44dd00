"""Everything recomputed from the events and compared with what is stored.

A difference is told by tenant, patient, month and line id, never by content. Patients are checked in ranges of keys, each
by a process of its own where there are many.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from os import cpu_count
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, func, select

from domain.facts import Registry
from domain.lines import CLOSED
from domain.registry import Registration, registry_of
from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from domain.settlement import ADJUSTMENT, MONTH_CLOSED
from ledger import registrations, schema
from ledger.accepting import CLOSE
from ledger.arrivals import target_of
from ledger.booking import Busy, sweep
from ledger.calm import calm
from ledger.database import chunks, connect, reading
from ledger.errors import RulesDifferError
from ledger.outbox import sent
from ledger.recount import Expectation, check_patients
from ledger.rules import rulebook_for
from ledger.trusted import reread

MANY: Final = 400
Difference = str


class Common(NamedTuple):
    """What all patients' checks share, recomputed from the events."""

    rulebook: Rulebook
    registries: dict[str, Registry]
    dead: dict[tuple[str, str], int]
    closures: dict[tuple[str, str], list[str | None]]


def verify(engine: Engine, rules: Path | None) -> list[Difference]:
    """All differences between the ledger and what its events come to."""
    try:
        rulebook = rulebook_for(engine, rules)
    except RulesDifferError as error:
        return [str(error)]
    with calm(), reading(engine) as connection:
        found = [*_numbers(connection), *_waiting(connection)]
        common = _common(connection, rulebook)
        found += _registered(connection, common)
        found += _booked(connection)
        found += _history(connection)
        keys = _patients(connection)
    return [*found, *_in_parts(engine, keys, common)]


def count(engine: Engine) -> int:
    """How many patient-months the ledger holds."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)


def _numbers(connection: Connection) -> Iterator[Difference]:
    for table, column, what in ((schema.events, schema.events.c.seq, "events"), (schema.outbox, schema.outbox.c.sequence, "decisions")):
        last, there = connection.execute(select(func.max(column), func.count()).select_from(table)).one()
        if there != (last or 0):
            yield f"{(last or 0) - there} of {last} {what} are missing: their numbers have holes"


def _waiting(connection: Connection) -> Iterator[Difference]:
    for table, what in ((schema.due, "decisions"), (schema.closings, "closes")):
        waiting = connection.execute(select(func.count()).select_from(table)).scalar() or 0
        if waiting:
            yield f"{waiting} {what} wait to be carried out after an interruption; any ingest does it, also of an empty file"


def _common(connection: Connection, rulebook: Rulebook) -> Common:
    """Registrations, closes and dead identities, in one pass over the events that may carry them."""
    t = schema.events.c
    held: dict[str, list[Registration]] = {}
    closures: dict[tuple[str, str], list[str | None]] = {}
    dead: dict[tuple[str, str], int] = {}
    kinds = (registrations.SITE, registrations.PERSON)
    some = t.type.in_((*kinds, CLOSE, "care.event.retracted.v1")) | t.replaces.is_not(None)
    for (raw,) in connection.execute(select(t.raw).where(some).order_by(t.seq)):
        event = reread(raw, ())
        for identity in target_of(event):
            dead[event.tenant, identity] = max(event.time, dead.get((event.tenant, identity), 0))
        if event.type in kinds:
            held.setdefault(event.tenant, []).append(Registration.of(event))
        elif event.type == CLOSE:
            closures.setdefault((event.tenant, event.data.month), []).append(event.data.site_id)
    registries = {tenant: registry_of(r for r in rows if (tenant, r.identity) not in dead) for tenant, rows in held.items()}
    return Common(rulebook, registries, dead, closures)


def _registered(connection: Connection, common: Common) -> Iterator[Difference]:
    tenants = connection.execute(select(schema.registrations.c.tenant).distinct()).scalars().all()
    for tenant in sorted({*tenants, *common.registries}):
        if registrations.load(connection, tenant) != common.registries.get(tenant, Registry()):
            yield f"{tenant}: the stored registrations of sites and people differ from the events"
    t = schema.closures.c
    stored = sorted((tenant, month, site or "") for tenant, month, site in connection.execute(select(t.tenant, t.month, t.site)))
    if stored != sorted((tenant, month, site or "") for (tenant, month), sites in common.closures.items() for site in sites):
        yield "the stored closes differ from the events"
    g = schema.tombstones.c
    if {(tenant, identity) for tenant, identity in connection.execute(select(g.tenant, g.identity))} != common.dead.keys():
        yield "the stored retractions and replacements differ from the events"


def _booked(connection: Connection) -> Iterator[Difference]:
    """Double bookings found anew from the bookings, which each patient's check compares with the events."""
    b, c = schema.busy.c, schema.conflicts.c
    rows = connection.execute(
        select(b.start, b.identity, b.end, b.tenant, b.performer, b.patient, b.time).order_by(b.tenant, b.performer, b.start, b.identity)
    )
    expected = set()
    for _, bookings in groupby((Busy(*row) for row in rows), key=lambda row: (row.tenant, row.performer)):
        for clash in sweep(list(bookings)):
            for one, other in ((clash.one, clash.other), (clash.other, clash.one)):
                expected.add((one.tenant, one.identity, other.identity, one.patient, clash.start, clash.end))
    stored = {tuple(row) for row in connection.execute(select(c.tenant, c.identity, c.other_identity, c.patient_key, c.start, c.end))}
    for tenant, _, _, patient, _, _ in sorted(expected ^ stored)[:20]:
        yield f"{tenant}: the double bookings of patient {patient.partition('/')[2]} differ from the events"


def _history(connection: Connection) -> Iterator[Difference]:
    """Closed lines are as their close announced them, adjustments add up to what was proposed."""
    closed: dict[str, Any] = {}
    for event in sent(connection, 0, [MONTH_CLOSED]):
        closed.update({row["line_id"]: row for row in event["data"]["lines"]})
    adjusted: dict[str, int] = {}
    for event in sent(connection, 0, [ADJUSTMENT]):
        data = event["data"]
        adjusted[data["line_id"]] = adjusted.get(data["line_id"], 0) + data["units_delta"]
    t = schema.lines.c
    for line, status, row, units in connection.execute(
        select(t.line_id, t.status, t.row, t.adjusted_units).where((t.status == CLOSED) | (t.adjusted_units != 0))
    ):
        if status == CLOSED and orjson.loads(row) != closed.pop(line, None):
            yield f"line {line}: the closed line is not the one its close announced"
        if units != adjusted.get(line, 0):
            yield f"line {line}: adjusted by {units} units, but the proposals add up to {adjusted.get(line, 0)}"
    for line in sorted(closed):
        yield f"line {line}: was closed and is no longer stored as closed"


def _patients(connection: Connection) -> list[str]:
    t = schema.events.c
    subjects = connection.execute(
        select(t.tenant, t.subject).where(t.type.notin_((registrations.SITE, registrations.PERSON, CLOSE))).distinct()
    )
    stored = connection.execute(select(schema.patients.c.key)).scalars()
    by_lines = connection.execute(select(schema.lines.c.tenant, schema.lines.c.patient).distinct())
    return sorted({*(f"{t}/{s}" for t, s in subjects), *stored, *(f"{t}/{p}" for t, p in by_lines)})


def _in_parts(engine: Engine, keys: list[str], common: Common) -> list[Difference]:
    workers = min(cpu_count() or 1, max(1, len(keys) // MANY))
    url = engine.url.render_as_string(hide_password=False)
    if workers < 2 or engine.url.database in (None, "", ":memory:"):
        with calm(), reading(engine) as connection:
            return list(_check(connection, keys, common))
    size = -(-len(keys) // (workers * 4))
    parts = [keys[i : i + size] for i in range(0, len(keys), size)]
    engine.dispose()
    with ProcessPoolExecutor(workers, mp_context=_processes(), initializer=_start, initargs=(url, common)) as pool:
        return [difference for part in pool.map(_part, parts) for difference in part]


def _processes() -> BaseContext:
    """Copies of this process where the system makes them cheaply; the pool is closed again before anything else goes on."""
    return get_context("fork" if sys.platform == "linux" else "spawn")


_worker: dict[str, Any] = {}


def _start(url: str, common: Common) -> None:
    _worker.update(common=common, engine=connect(url, create=False))


def _part(keys: list[str]) -> list[Difference]:
    with calm(), reading(_worker["engine"]) as connection:
        return list(_check(connection, keys, _worker["common"]))


def _check(connection: Connection, keys: list[str], common: Common) -> Iterator[Difference]:
    for tenant, group in groupby(keys, key=lambda key: key.partition("/")[0]):
        expectation = Expectation(
            common.rulebook, vocabulary(common.rulebook).tracks, common.registries.get(tenant, Registry()), common.dead, common.closures
        )
        for chunk in chunks(group, 200):
            yield from check_patients(connection, tenant, chunk, expectation)
