"""What is Postgres's alone: sessions, rows in bulk, which errors pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from math import inf
from operator import itemgetter
from time import monotonic
from typing import Any, Final

from psycopg import Error, OperationalError
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import URL, Connection, Engine, Integer, LargeBinary, Table, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from ledger import commits
from ledger.driver import PromptCursor, later, rows, said
from ledger.errors import LedgerError
from ledger.packed import Documents, Numbers, Packed, Texts

OLDEST: Final = (13,)
WAIT_SECONDS: Final = 60.0
WAIT: Final = "caremonth_wait"
FRESH: Final = 1.0
"""Seconds for which a session that rests is taken to be there still; one that rests longer is asked. Writers and looks that are mistaken
try again; another read is refused, as one is that a restart of the server cuts off."""
_RESTS: Final = "caremonth_rests"
SETTINGS: Final = {
    "application_name": "caremonth",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "30s",
    "statement_timeout": "120s",
    "synchronous_commit": "on",
    "enable_seqscan": "off",
}
"""Of every session. A writer that is frozen in a transaction loses it after 5 s, so that its locks hold up nobody for longer.

A session keeps its plans: one made while a table was empty would read all of it for every look-up, for seconds, until the server counts its
rows again.
"""
_UNHURRIED: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "enable_seqscan": "on"}
_RACES: Final = {"40001", "40P01", "55P03", "23505"}
"""Serialization failure, deadlock, a lock waited for too long, a row that another writer was quicker to insert."""
_GONE: Final = {"57P01", "57P02", "57P03", "25P03", "53300"}
"""Shutdown, crash, starting up, idle in a transaction for too long, too many connections."""


def _dumper(kind: type[Packed]) -> type[Dumper]:
    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = kind.array

        def dump(self, obj: Packed) -> Buffer | None:
            return obj.packed()

    return PackedDumper


_DUMPERS: Final = {kind: _dumper(kind) for kind in (Documents, Texts, Numbers)}


def postgres_engine(url: URL) -> Engine:
    """An engine whose sessions have this program's settings.

    A writer waits a minute for others, and for a server that is gone, or as many seconds as the URL says with `?timeout=`.
    """
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise LedgerError("Postgres is reached by the driver psycopg; write the database URL like postgresql+psycopg://USER@HOST/DATABASE")
    wait = _wait_of(url)
    known = url.set(drivername="postgresql+psycopg").difference_update_query(["timeout"])
    engine = create_engine(
        known,
        connect_args={"cursor_factory": PromptCursor},
        pool_recycle=commits.SESSION_SECONDS,
        pool_size=4,
        max_overflow=16,
        execution_options={WAIT: wait},
    )

    @event.listens_for(engine, "checkin")
    def _rests(_connection: Any, record: Any) -> None:
        record.info[_RESTS] = monotonic()

    @event.listens_for(engine, "checkout")
    def _wakes(connection: Any, record: Any, _proxy: Any) -> None:
        if monotonic() - record.info.get(_RESTS, inf) > FRESH and not _answers(engine, connection):
            raise InvalidatePoolError

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        for kind, dumper in _DUMPERS.items():
            connection.adapters.register_dumper(kind, dumper)
        asked = ", ".join("set_config(%s, %s, false)" for _ in SETTINGS)
        now = "extract(epoch FROM now())::bigint"
        told = connection.execute(f"SELECT {now}, {asked}", list(chain.from_iterable(SETTINGS.items()))).fetchone()
        commits.began(record.info, told[0])
        connection.commit()

    return engine


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except Error:
        return False


def _wait_of(url: URL) -> float:
    try:
        return float(str(url.query.get("timeout", WAIT_SECONDS)))
    except ValueError:
        raise LedgerError(
            "the timeout in the database URL is no number of seconds; write it like postgresql+psycopg://USER@HOST/DATABASE?timeout=10"
        ) from None


def require_fit(connection: Connection) -> None:
    """Raise LedgerError where the server is too old or its texts are not UTF-8."""
    if (version := connection.dialect.server_version_info or (0,)) < OLDEST:
        raise LedgerError(f"the server is Postgres {version[0]}; use {OLDEST[0]} or newer")
    if (encoding := connection.execute(text("SHOW server_encoding")).scalar()) != "UTF8":
        raise LedgerError(f"the database's encoding is {encoding}; create it with ENCODING 'UTF8'")


def unhurried(connection: Connection) -> None:
    """Let this transaction take its time, and read whole tables: it holds no lock that a writer waits for, or none can go on before it is
    done."""
    asked = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _UNHURRIED.items())
    connection.execute(text(f"SELECT {asked}"))


def bulk(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], mode: str) -> None:
    """Insert rows (`insert`), those with a known key in place of the old (`upsert`), or only unknown ones (`ignore`).

    Where a key comes twice in an upsert the last row holds, as when they come one by one; Postgres itself refuses such a statement.
    """
    if mode == "upsert":
        key = itemgetter(*(column.name for column in table.primary_key))
        rows = list({key(row): row for row in rows}.values())
    put(connection, table, [list(map(itemgetter(column.name), rows)) for column in table.columns], mode)


def put(connection: Connection, table: Table, columns: Sequence[Sequence[Any]], mode: str) -> None:
    """The same for rows that are given as columns in the table's order; in an upsert no key comes twice."""
    packed = tuple(kind(column) for kind, column in zip(_kinds(table), columns, strict=True))
    said(connection, _spelled(connection, table, mode), packed)


@cache
def _kinds(table: Table) -> tuple[type[Packed], ...]:
    return tuple(_kind(column.type) for column in table.columns)


def _kind(column: object) -> type[Packed]:
    if isinstance(column, Integer):
        return Numbers
    return Documents if isinstance(column, LargeBinary) else Texts


_statements: dict[tuple[Table, str], str] = {}


def _spelled(connection: Connection, table: Table, mode: str) -> str:
    key = table, mode
    if key not in _statements:
        quote = connection.dialect.identifier_preparer.quote
        names = [quote(column.name) for column in table.columns]
        own = {quote(column.name) for column in table.primary_key}
        kept = ", ".join(f"{name} = excluded.{name}" for name in names if name not in own)
        conflict = {
            "insert": "",
            "ignore": " ON CONFLICT DO NOTHING",
            "upsert": f" ON CONFLICT ({', '.join(sorted(own))}) DO UPDATE SET {kept}",
        }
        given = ", ".join("%s" for _ in names)
        _statements[key] = f"INSERT INTO {quote(table.name)} ({', '.join(names)}) SELECT * FROM unnest({given}){conflict[mode]}"  # noqa: S608
    return _statements[key]


def identified(connection: Connection, identities: Sequence[tuple[str, str, str]], column: str) -> Sequence[Any]:
    """Of each identity (tenant, source, id) that is stored the identity and a column.

    Each is looked up by itself within one statement: asked for by `= ANY` the server may rather read all events of the tenant. And it is
    planned each time: among few events those of the tenant are as quick to come by, a plan that would be kept when there are many.
    """
    given = [Texts(column) for column in zip(*identities, strict=True)] if identities else [Texts(())] * 3
    return rows(
        connection,
        f"SELECT k.tenant, k.source, k.id, e.found FROM unnest(%s, %s, %s) AS k (tenant, source, id) CROSS JOIN LATERAL "  # noqa: S608
        f"(SELECT {column} AS found FROM events WHERE tenant = k.tenant AND source = k.source AND id = k.id OFFSET 0) AS e",
        tuple(given),
        prepare=False,
    )


def buried(connection: Connection, identities: Sequence[tuple[str, str]]) -> Callable[[], Sequence[Any]]:
    """Of each identity (tenant, identity) that something took out, the times at which that was recorded, when they are called for.

    They are looked up as `identified` does.
    """
    given = [Texts(column) for column in zip(*identities, strict=True)] if identities else [Texts(())] * 2
    return later(
        connection,
        "SELECT k.tenant, k.identity, t.time FROM unnest(%s, %s) AS k (tenant, identity) CROSS JOIN LATERAL "
        "(SELECT time FROM tombstones WHERE tenant = k.tenant AND identity = k.identity OFFSET 0) AS t",
        tuple(given),
    )


def booked(connection: Connection, spans: Sequence[tuple[str, str, int, int]]) -> Sequence[Any]:
    """The bookings that begin within spans of time, each of a tenant, a performer, and two instants: the span's number, and the booking."""
    tenants, performers, lows, highs = zip(*spans, strict=True)
    return rows(
        connection,
        'SELECT q.n, b.start, b.identity, b."end", b.tenant, b.performer, b.patient, b.time '
        "FROM unnest(%s, %s, %s, %s) WITH ORDINALITY AS q (tenant, performer, low, high, n) CROSS JOIN LATERAL "
        "(SELECT * FROM busy WHERE tenant = q.tenant AND performer = q.performer AND start > q.low AND start < q.high OFFSET 0) AS b",
        (Texts(tenants), Texts(performers), Numbers(lows), Numbers(highs)),
    )


def part(connection: Connection, gone: Sequence[Any]) -> Sequence[Any]:
    """Delete bookings, and the conflicts they have with others on both sides; returns those of their own side.

    Rows are looked up one by one as `identified` does; nobody moves them meanwhile, since their performers are this transaction's own.
    """
    tenants, identities = Texts([one.tenant for one in gone]), Texts([one.identity for one in gone])
    said(
        connection,
        "DELETE FROM busy WHERE ctid = ANY (ARRAY(SELECT b.at FROM unnest(%s, %s, %s, %s) AS g (tenant, performer, start, identity) "
        "CROSS JOIN LATERAL (SELECT ctid AS at FROM busy WHERE tenant = g.tenant AND performer = g.performer AND start = g.start "
        "AND identity = g.identity OFFSET 0) AS b))",
        (tenants, Texts([one.performer for one in gone]), Numbers([one.start for one in gone]), identities),
    )
    found = rows(
        connection,
        "DELETE FROM conflicts WHERE ctid = ANY (ARRAY(SELECT c.at FROM unnest(%s, %s) AS g (tenant, identity) CROSS JOIN LATERAL "
        "(SELECT ctid AS at FROM conflicts WHERE tenant = g.tenant AND identity = g.identity OFFSET 0) AS c)) "
        'RETURNING tenant, identity, other_identity, other_patient, start, "end"',
        (tenants, identities),
    )
    if found:
        said(
            connection,
            "DELETE FROM conflicts WHERE ctid = ANY (ARRAY(SELECT c.at FROM unnest(%s, %s, %s) AS g (tenant, identity, other) "
            "CROSS JOIN LATERAL (SELECT ctid AS at FROM conflicts WHERE tenant = g.tenant AND identity = g.identity "
            "AND other_identity = g.other OFFSET 0) AS c))",
            (Texts([row[0] for row in found]), Texts([row[2] for row in found]), Texts([row[1] for row in found])),
        )
    return found


def passes(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    return is_lost(error) or _state(error) in _RACES


def is_lost(error: DBAPIError) -> bool:
    """Whether the server is gone, or this session of it; what became of a commit is then unknown."""
    state = _state(error)
    return error.connection_invalidated or state in _GONE or (state or "").startswith("08") or _unreached(error)


def _unreached(error: DBAPIError) -> bool:
    """Whether the server could not be reached; it was reached when the ledger was opened, so it is waited for, whatever it said."""
    return isinstance(error.orig, OperationalError) and _state(error) is None


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def sentence(error: DBAPIError) -> str:
    """What the server said, without what may be data: details and values stand on later lines, or in classes that are not repeated."""
    words = str(error.orig).strip().splitlines()
    state = _state(error)
    if state is None or state[:2] in {"08", "28", "3D", "42", "53", "55", "57", "40", "25"}:
        return words[0] if words else type(error.orig).__name__
    return f"{type(error.orig).__name__} ({state})"
