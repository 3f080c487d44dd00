"""Who may write what at the same time (docs/adr/0010-postgres-beside-sqlite.md). On SQLite the one write lock is all of it.

On Postgres locks are taken in one order: positions, tenants, patients, performers, counters; within each sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from zlib import crc32

from sqlalchemy import Connection, bindparam, select, update

from ledger import schema
from ledger.database import Rows, answered, ask, asked, say
from ledger.packed import Documents, Numbers, Texts

TENANTS: Final = 0x63617265
SETUP: Final = TENANTS + 1
BUCKETS: Final = 256
"""Tenants share so many locks, else a batch of many tenants could fill the server's lock table."""
EVENTS, LETTERS, OUTBOX, CLOSURES, BURIALS = "events", "letters", "outbox", "closures", "burials"
BATCH: Final = "caremonth_batch"
_EMPTY: Final = b'{"months":[],"references":[],"roster":{}}'

_COUNTER: Final = schema.counters.c
_NUMBER: Final = select(_COUNTER.value).where(_COUNTER.name == bindparam("counter"))
_RAISED: Final = (
    update(schema.counters)
    .where(_COUNTER.name == bindparam("counter"))
    .values(value=_COUNTER.value + bindparam("count"))
    .returning(_COUNTER.value)
)

_TOGETHER: Final = "SELECT pg_advisory_xact_lock_shared(%s, bucket::int) FROM unnest(%s) AS bucket"
_ALONE: Final = "SELECT pg_advisory_xact_lock(%s, bucket::int) FROM unnest(%s) AS bucket"
_NEW_PATIENTS: Final = "INSERT INTO patients (key, facts) SELECT * FROM unnest(%s, %s) ON CONFLICT DO NOTHING"
_HOLD_PATIENTS: Final = "SELECT key, facts FROM patients WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
_NEW_PERFORMERS: Final = "INSERT INTO performers (key) SELECT * FROM unnest(%s) ON CONFLICT DO NOTHING"
_HOLD_PERFORMERS: Final = "SELECT 1 FROM performers WHERE key = ANY(%s) ORDER BY key FOR UPDATE"


def several(connection: Connection) -> bool:
    """Whether other writers may be at work in this moment."""
    return connection.dialect.name == "postgresql"


def batch(connection: Connection) -> int:
    """The number that tells this transaction's rows of the due queue from others'."""
    return int(connection.info.get(BATCH, 0)) if several(connection) else 0


def setup(connection: Connection) -> None:
    """Be the only one who creates tables or chooses rules."""
    if several(connection):
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (SETUP,))


def tenants(connection: Connection, names: Iterable[str], *, alone: bool = False) -> None:
    """Work on tenants beside others who do; `alone` for what bears on all their patients: registrations and closes.

    Advisory locks, because they are given in the order asked for: a close would wait for ever behind rows locked by ever new sharers.
    """
    if several(connection):
        buckets = sorted({crc32(name.encode()) % BUCKETS for name in names})
        say(connection, _ALONE if alone else _TOGETHER, TENANTS, Numbers(buckets))


def everyone(connection: Connection) -> None:
    """Have all tenants to oneself, those that come later included."""
    if several(connection):
        say(connection, _ALONE, TENANTS, Numbers(range(BUCKETS)))


def patients(connection: Connection, keys: list[str], *, skip: bool = False) -> Rows:
    """Have these patients, sorted by key, to oneself, and read their documents; with `skip` only those nobody has.

    Unknown ones get an empty document first, in the same order, so that there is a row to lock.
    """
    if skip:
        return answered(connection, f"{_HOLD_PATIENTS} SKIP LOCKED", Texts(keys))
    say(connection, _NEW_PATIENTS, Texts(keys), Documents([_EMPTY] * len(keys)))
    return answered(connection, _HOLD_PATIENTS, Texts(keys))


def performers(connection: Connection, keys: Iterable[str]) -> None:
    """Have the bookings of these performers (`tenant/performer`) to oneself."""
    if several(connection) and (ordered := sorted(set(keys))):
        say(connection, _NEW_PERFORMERS, Texts(ordered))
        say(connection, _HOLD_PERFORMERS, Texts(ordered))


def gate(connection: Connection) -> None:
    """Be the only one who accepts events from here on; whoever does takes the number of events before any other."""
    if several(connection):
        connection.execute(select(schema.counters.c.value).where(schema.counters.c.name == EVENTS).with_for_update())


def numbers(connection: Connection, name: str, count: int) -> int:
    """The first of `count` new numbers. Nobody else gets numbers until this transaction ends: they have no holes and come in order."""
    return raised(connection, name, count)()


def raised(connection: Connection, name: str, count: int) -> Callable[[], int]:
    """The same number when it is called for; from now on nobody else gets one."""
    last = asked(connection, _RAISED, counter=name, count=count)
    return lambda: _only(last()) - count + 1


def burials(connection: Connection) -> Callable[[], int]:
    """How many batches have named events as gone, when it is called for; 0 where nobody else can meanwhile."""
    if not several(connection):
        return lambda: 0
    last = asked(connection, _NUMBER, counter=BURIALS)
    return lambda: _only(last())


def number(connection: Connection, name: str) -> int:
    """The last number given."""
    return _only(ask(connection, _NUMBER, counter=name))


def _only(found: Sequence[Any]) -> int:
    ((value,),) = found
    return int(value)
