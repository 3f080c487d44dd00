"""Everything recomputed from the events and compared with what is stored.

A difference is told by tenant, patient, month and line id, or by the number of a decision, never by content. Patients are audited in
ranges of keys, each by a process of its own where there are many.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.connection import Connection as PipeConnection
from os import cpu_count
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, func, select

from domain.audit import Expected
from domain.facts import Registry
from domain.recount import Told
from domain.roster import Rosters
from domain.sums import Sums
from ledger import census, schema
from ledger.audit import Found, audit
from ledger.calm import calm
from ledger.census import Common
from ledger.database import chunks, connect, is_postgres, reading
from ledger.errors import LedgerError, RulesDifferError
from ledger.holdings import JSON
from ledger.rules import Rules, rules_for
from ledger.sqlite import map_file

MANY: Final = 400
TOGETHER: Final = 64
"""Patients whose facts are in memory at once; with more of them it is other memory each time, and no statement less to speak of."""
LEAST: Final = 8
"""Patients of the smallest parts."""
_DIED: Final = (
    "a process that verified the ledger was ended by the system; see that there is memory and the disk is sound, then run it again"
)
Difference = str


class Work(NamedTuple):
    """What the processes that audit patients share; `decisions` are the numbers of the decisions about each key."""

    common: Common
    decisions: Mapping[str, array[int]]


def _booked(connection: Connection) -> Found:
    differences, sums = census.booked(connection)
    return Found(differences, Counter(), sums, {})


_PASSES: Final[Sequence[Callable[[Connection], Any]]] = (
    census.decisions,
    _booked,
    lambda connection: Found(list(census.references(connection)), Counter(), {}, {}),
    lambda connection: Found(list(census.letters(connection)), Counter(), {}, {}),
)
"""Over whole tables: first what the audits need, then what is found of the tables."""


def verify(engine: Engine, rules: Path | None) -> list[Difference]:
    """All differences between the ledger and what its events come to."""
    with reading(engine) as connection:
        found = [*census.rule_sets(connection), *census.activations(connection)]
        patients = census.sizes(connection)["patients"]
    if found:
        return found
    try:
        held = rules_for(engine, rules)
    except RulesDifferError as error:
        return [str(error)]
    workers = _workers(engine, patients)
    with calm(), _passed(engine, apart=workers > 1) as passed:
        with reading(engine) as connection:
            found, sizes, subjects, common = _survey(connection, held)
        decisions = next(passed)
        audited = _in_parts(engine, sorted({*subjects, *decisions}), Work(common, decisions), workers)
        return found + _together(engine, [*passed, *audited], sizes)


def _together(engine: Engine, parts: Iterable[Found], sizes: Counter[str]) -> list[Difference]:
    """The differences of all parts, and those between what they add up to and what there is of it."""
    found, booked, sums = list[Difference](), dict[str, int](), Sums()
    for differences, seen, some, events in parts:
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


def _survey(connection: Connection, rules: Rules) -> tuple[list[Difference], Counter[str], Iterable[str], Common]:
    """What is told beside the patients, how many rows are theirs, who they are, and what their audits share."""
    found = [*census.numbers(connection), *census.waiting(connection)]
    common = census.common(connection, rules)
    found += census.registered(connection, common)
    return found, census.sizes(connection), census.subjects(connection), common


def count(engine: Engine) -> int:
    """How many patient-months the ledger holds."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)


def _workers(engine: Engine, patients: int) -> int:
    """How many processes are worth it: one where the system does not copy this one safely, or the ledger is in its memory."""
    if sys.platform != "linux" or engine.url.database in (None, "", ":memory:"):
        return 1
    return min(cpu_count() or 1, max(1, patients // MANY))


@contextmanager
def _passed(engine: Engine, *, apart: bool) -> Iterator[Iterator[Any]]:
    """What the passes over tables come to, in their order; where it is worth it by a process of its own, beside what is done here."""
    if not apart:
        yield (_pass(engine, one) for one in _PASSES)
        return
    engine.dispose()
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_pass_apart, args=(_url(engine), ours, theirs))
    process.start()
    theirs.close()
    try:
        yield (_received(ours) for _ in _PASSES)
    finally:
        ours.close()
        process.terminate()
        process.join()


def _pass(engine: Engine, one: Callable[[Connection], Any]) -> Any:
    with calm(), reading(engine) as connection:
        return one(connection)


def _pass_apart(url: str, ours: PipeConnection, told: PipeConnection) -> None:
    """All passes are made before any but the first is told: a full pipe waits for the audits to end."""
    ours.close()  # or the pipe would stay open for this process when its parent is gone
    try:
        engine = _opened(url)
        first, *others = _PASSES
        told.send(_pass(engine, first))
        for found in [_pass(engine, one) for one in others]:
            told.send(found)
    except LedgerError as error:
        told.send(error)


def _received(told: PipeConnection) -> Any:
    try:
        found = told.recv()
    except (EOFError, OSError):
        raise LedgerError(_DIED) from None
    if isinstance(found, LedgerError):
        raise found
    return found


def _in_parts(engine: Engine, keys: list[str], work: Work, workers: int) -> list[Found]:
    """Each part in a copy of this process: hashes are the same in all of them."""
    if workers < 2:
        return [_part_of(engine, part, work) for part in chunks(keys, TOGETHER)]
    engine.dispose()
    with ProcessPoolExecutor(workers, mp_context=_FORK, initializer=_start, initargs=(_url(engine), work)) as pool:
        try:
            return list(pool.map(_part, _parts(keys, workers)))
        except BrokenProcessPool:
            raise LedgerError(_DIED) from None


def _parts(keys: list[str], workers: int) -> Iterator[list[str]]:
    """The keys in parts that become smaller, so that all processes end at about the same time."""
    at = 0
    while at < len(keys):
        size = max(LEAST, min(TOGETHER, (len(keys) - at) // (2 * workers)))
        yield keys[at : at + size]
        at += size


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


_FORK: Final = get_context("fork") if sys.platform == "linux" else get_context()
_worker: list[tuple[Engine, Work]] = []


def _start(url: str, work: Work) -> None:
    _worker[:] = [(_opened(url), work)]


def _opened(url: str) -> Engine:
    """The ledger in a process that only reads. What it was given is none of the collector's business, and it makes no cycles that matter
    in its short life."""
    gc.freeze()
    gc.disable()
    engine = connect(url, create=False)
    with reading(engine) as connection:
        _quicken(connection)
    return engine


def _quicken(connection: Connection) -> None:
    if not is_postgres(connection):
        map_file(connection)


def _part(part: list[str]) -> Found:
    engine, work = _worker[0]
    return _part_of(engine, part, work)


def _part_of(engine: Engine, keys: list[str], work: Work) -> Found:
    with calm(), reading(engine) as connection:
        return _audited(connection, keys, work)


def _audited(connection: Connection, keys: list[str], work: Work) -> Found:
    found, total, booked, events = list[Difference](), Counter[str](), dict[str, int](), Sums()
    for tenant, group in groupby(keys, key=lambda key: key.partition("/")[0]):
        told, expected = _told(work.common, tenant), _expected(work.common, tenant)
        for chunk in chunks(group, TOGETHER):
            names = [key.partition("/")[2] for key in chunk]
            differences, seen, some, sums = audit(connection, tenant, names, told, expected, work.decisions)
            found += differences
            total += seen
            booked |= some
            events.include(sums)
    return Found(found, total, booked, events.found)


def _told(common: Common, tenant: str) -> Told:
    return Told(common.rules.words.tracks, common.dead.get(tenant, {}), orjson.loads, orjson.dumps)


def _expected(common: Common, tenant: str) -> Expected:
    return Expected(
        partial(common.rules.at, tenant),
        common.registries.get(tenant, Registry()),
        common.months_closed(tenant),
        Rosters(common.rules.latest(tenant)),
        common.stands(tenant),
        JSON,
    )
