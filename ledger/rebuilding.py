"""All that is a function of the events made anew from them, in one transaction: facts, bookings, registrations, references, tombstones.

What is history stays: events, decisions sent, closes, activations, dead letters, lines with their revisions and closed figures, and what a
month remembers having told. Nothing is decided by it, unless that is asked for: where lines had been spoiled, deciding would propose
adjustments of what was never billed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, Table, delete, select

from domain.event import Event
from domain.records import EVERY
from domain.vocabulary import Vocabulary
from ledger import arrivals, locks, schema
from ledger.accepting import Acceptance
from ledger.calm import calm
from ledger.database import chunks, is_postgres
from ledger.draining import Drain
from ledger.intake import CHUNK
from ledger.marks import ROSTER_DUE, queue_all
from ledger.retry import transaction
from ledger.rules import rules_of
from ledger.trusted import reread
from ledger.workspace import Workspace

DERIVED: Final = (
    schema.patients, schema.months, schema.references, schema.registrations, schema.busy, schema.conflicts, schema.tombstones,
)  # fmt: skip
TOGETHER: Final = 2_000
_RANGE: Final = 1 << 128
Rows = dict[str, tuple[int, int]]
"""For each table how many rows, and a sum of their digests."""


class Rebuilt(NamedTuple):
    """How many events were read, and which tables are other than they were: a name, rows before and after."""

    events: int
    changed: list[tuple[str, int, int]]


def rebuild(engine: Engine, settle: Callable[[], None]) -> Rebuilt:
    """Drop and make anew; byte for byte what was there, where nothing had gone wrong. Nobody else writes meanwhile."""
    settle()
    with calm():
        return transaction(engine, _rebuilt)


def decide_again(engine: Engine, settle: Callable[[], None]) -> None:
    """Have every patient-month decided on the facts as they are: open lines change, closed ones get adjustments."""
    transaction(engine, _mark)
    settle()


def _rebuilt(connection: Connection) -> Rebuilt:
    locks.everyone(connection)
    locks.gate(connection)
    if is_postgres(connection):
        from ledger.postgres import unhurried

        unhurried(connection)
    rules = rules_of(connection)
    Drain(connection, rules, None).all_of((), CHUNK)
    before, told = _sums(connection), _told(connection)
    for table in DERIVED:
        connection.execute(delete(table))
    events = 0
    for rows in chunks(_events(connection), TOGETHER):
        Remaking(connection, rules.words, rows[0][0]).take([reread(raw, rules.words.tracks) for _, raw in rows])
        events += len(rows)
    _remember(connection, told)
    after = _sums(connection)
    return Rebuilt(events, [(name, before[name][0], after[name][0]) for name in before if before[name] != after[name]])


def _events(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """All events in order, read in pages: what the transaction writes meanwhile must not disturb the reading."""
    t, after = schema.events.c, 0
    while page := connection.execute(select(t.seq, t.raw).where(t.seq > after).order_by(t.seq).limit(TOGETHER)).all():
        yield from ((seq, raw) for seq, raw in page)
        after = page[-1].seq


class Remaking(Acceptance):
    """Accepted events put in place once more: only what came before a batch is known to it, and nothing is closed or due again."""

    def __init__(self, connection: Connection, vocabulary: Vocabulary, first: int) -> None:
        super().__init__(connection, vocabulary)
        self.first = first

    def stored(self, wanted: Iterable[tuple[str, str]]) -> list[Event]:
        """Those of these events that came before this batch."""
        return arrivals.stored_events(self.connection, wanted, self.vocabulary, before=self.first)

    def close_month(self, event: Event) -> None:
        """A close is carried out once, and was."""


class _Told(NamedTuple):
    """What patients' and months' documents remember of what was sent, and months known for it alone."""

    rosters: dict[str, Any]
    states: dict[str, bytes]
    known: dict[str, set[str]]


def _told(connection: Connection) -> _Told:
    m, p, line = schema.months.c, schema.patients.c, schema.lines.c
    states = {key: state for key, state in connection.execute(select(m.key, m.state)) if state != b"{}"}
    rosters = {key: roster for key, facts in connection.execute(select(p.key, p.facts)) if (roster := orjson.loads(facts).get("roster"))}
    known: dict[str, set[str]] = {}
    for key in {*states, *connection.execute(select(line.month_key).distinct()).scalars()}:
        patient, _, month = key.rpartition("/")
        known.setdefault(patient, set()).add(month)
    return _Told(rosters, states, known)


def _remember(connection: Connection, told: _Told) -> None:
    for patients in chunks(sorted({*told.rosters, *told.known}), TOGETHER):
        work = Workspace(connection)
        work.load_patients(patients)
        work.load_months(
            f"{patient}/{month}" for patient in patients for month in told.known.get(patient, ()) if f"{patient}/{month}" in told.states
        )
        for patient in patients:
            document = work.patients[patient]
            document.roster = told.rosters.get(patient, {})
            document.months |= told.known.get(patient, set())
            document.changed = True
        for key, month in work.months.items():
            month.state = orjson.loads(told.states[key])
            month.changed = True
        work.save()


def _mark(connection: Connection) -> None:
    """Have everything decided again."""
    queue_all(connection, (), (EVERY, ROSTER_DUE), "")


def _sums(connection: Connection) -> Rows:
    return {table.name: _sum(connection, table) for table in DERIVED}


def _sum(connection: Connection, table: Table) -> tuple[int, int]:
    rows, total = 0, 0
    for row in connection.execute(select(table).execution_options(yield_per=1000)):
        rows, total = rows + 1, (total + int.from_bytes(blake2b(repr(tuple(row)).encode(), digest_size=16).digest())) % _RANGE
    return rows, total
