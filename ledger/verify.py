"""Everything recomputed from the events and compared with what is stored.

A difference is told by tenant, patient, month and line id, or by the number of a decision, never by content. Patients are audited in
ranges of keys, each by a process of its own where there are many.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, func, select

from domain.facts import Registry
from domain.roster import Rosters
from domain.sums import Sums
from ledger import census, schema
from ledger.audit import Found, audit
from ledger.calm import calm
from ledger.census import Common
from ledger.database import chunks, connect, reading
from ledger.errors import RulesDifferError
from ledger.recount import Expectation
from ledger.rules import Rules, rules_for

MANY: Final = 400
TOGETHER: Final = 200
"""Patients whose facts are in memory at once."""
Difference = str


class Work(NamedTuple):
    """What the processes share: the parts of the audit by name, with the numbers of the decisions about each patient."""

    common: Common
    decisions: Mapping[str, array[int]]


def _booked(connection: Connection) -> Found:
    differences, sums = census.booked(connection)
    return Found(differences, Counter(), sums, {})


_TABLES: Final[Mapping[str, Callable[[Connection], Found]]] = {
    "booked": _booked,
    "references": lambda connection: Found(list(census.references(connection)), Counter(), {}, {}),
    "letters": lambda connection: Found(list(census.letters(connection)), Counter(), {}, {}),
}


def verify(engine: Engine, rules: Path | None) -> list[Difference]:
    """All differences between the ledger and what its events come to."""
    with reading(engine) as connection:
        found = [*census.rule_sets(connection), *census.activations(connection)]
    if found:
        return found
    try:
        held = rules_for(engine, rules)
    except RulesDifferError as error:
        return [str(error)]
    with calm(), reading(engine) as connection:
        found, sizes, keys, work = _survey(connection, held)
    booked, sums = dict[str, int](), Sums()
    for differences, seen, some, events in _in_parts(engine, keys, work):
        found += differences
        sizes -= seen
        sums.include(events)
        for key, total in some.items():
            booked[key] = booked.get(key, 0) + total
    with reading(engine) as connection:
        found += census.sums(connection, dict(sums.histories()))
    spoiled = [key.partition("/") for key, total in sorted(booked.items()) if total]
    found += [f"{tenant}: the stored bookings of patient {name} differ from the events" for tenant, _, name in spoiled]
    return [*found, *(f"{number} rows of {name} belong to no patient that is known" for name, number in sizes.items())]


def _survey(connection: Connection, rules: Rules) -> tuple[list[Difference], Counter[str], list[str], Work]:
    """What one pass over the tables tells, and what is left to audit."""
    found = [*census.numbers(connection), *census.waiting(connection)]
    common = census.common(connection, rules)
    found += census.registered(connection, common)
    decisions = census.decisions(connection)
    keys = sorted({*census.subjects(connection), *decisions})
    return found, census.sizes(connection), keys, Work(common, decisions)


def count(engine: Engine) -> int:
    """How many patient-months the ledger holds."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)


def _in_parts(engine: Engine, keys: list[str], work: Work) -> list[Found]:
    """Each part in a copy of this process, where the system makes them safely: hashes are the same in all of them."""
    workers = min(cpu_count() or 1, max(1, len(keys) // MANY))
    url = engine.url.render_as_string(hide_password=False)
    size = -(-len(keys) // (workers * 8)) or 1
    parts: list[str | list[str]] = [*_TABLES, *chunks(keys, size)]
    if workers < 2 or sys.platform != "linux" or engine.url.database in (None, "", ":memory:"):
        return [_done(engine, part, work) for part in parts]
    engine.dispose()
    with ProcessPoolExecutor(workers, mp_context=get_context("fork"), initializer=_start, initargs=(url, work)) as pool:
        return list(pool.map(_part, parts))


_worker: list[tuple[Engine, Work]] = []


def _start(url: str, work: Work) -> None:
    """What the process was given is none of the collector's business, and it makes no cycles that matter in its short life."""
    gc.freeze()
    gc.disable()
    _worker[:] = [(connect(url, create=False), work)]


def _part(part: str | list[str]) -> Found:
    engine, work = _worker[0]
    return _done(engine, part, work)


def _done(engine: Engine, part: str | list[str], work: Work) -> Found:
    """A part of the work: a table by its name, or the patients of some keys."""
    with calm(), reading(engine) as connection:
        if isinstance(part, str):
            return _TABLES[part](connection)
        return _audited(connection, part, work)


def _audited(connection: Connection, keys: list[str], work: Work) -> Found:
    found, total, booked, events = list[Difference](), Counter[str](), dict[str, int](), Sums()
    for tenant, group in groupby(keys, key=lambda key: key.partition("/")[0]):
        expected = _expectation(work.common, tenant)
        for chunk in chunks(group, TOGETHER):
            differences, seen, some, sums = audit(connection, tenant, [key.partition("/")[2] for key in chunk], expected, work.decisions)
            found += differences
            total += seen
            booked |= some
            events.include(sums)
    return Found(found, total, booked, events.found)


def _expectation(common: Common, tenant: str) -> Expectation:
    return Expectation(
        common.rules,
        common.rules.words.tracks,
        common.registries.get(tenant, Registry()),
        common.dead.get(tenant, {}),
        common.months_closed(tenant),
        Rosters(common.rules.latest(tenant)),
        common.stands(tenant),
    )
