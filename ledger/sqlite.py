"""What is SQLite's alone: the file, its journal, how long a writer waits for another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from sqlite3 import SQLITE_BUSY, Cursor, Error, OperationalError
from time import monotonic, sleep
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import ClauseElement

from ledger.errors import LedgerError

WAIT_SECONDS: Final = 120
CACHE_KIB: Final = 32 * 1024
MAPPED_BYTES: Final = 2_000_000_000
"""What SQLite maps of a file at most, as it is usually built; the rest is read in pages."""
WRITES: Final = "caremonth_writes"


def sqlite_engine(url: str, *, full_sync: bool) -> Engine:
    """An engine whose writing transactions take the write lock when they begin, so that they wait instead of failing half-way.

    `full_sync` makes each commit durable against power loss; otherwise a power loss may undo the last commits,
    never part of one. A writer waits two minutes for another, or as many seconds as the URL says with `?timeout=`.
    """
    wait = _wait_of(url)
    memory = url in ("sqlite://", "sqlite:///:memory:")
    engine = create_engine(url, connect_args={"timeout": wait, "check_same_thread": False}, **({"poolclass": StaticPool} if memory else {}))

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        _keep_log(connection, wait)
        for pragma in (
            f"synchronous={'FULL' if full_sync else 'NORMAL'}",
            f"cache_size=-{CACHE_KIB}",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
        ):
            _pragma(connection, pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def map_file(connection: Connection) -> None:
    """Read the file as memory from now on, without a call of the system and a copy for each page.

    For a process that only reads and is soon over: where a disk fails, the system ends it instead of telling SQLite.
    """
    connection.exec_driver_sql(f"PRAGMA mmap_size={MAPPED_BYTES}")


@contextmanager
def cursor(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> Iterator[Cursor]:
    """SQLite's own rows of a statement; what it raises, also while they are fetched, comes as SQLAlchemy's error."""
    text, fixed = _spelled(statement)
    driver: Any = connection.connection.driver_connection
    try:
        with closing(driver.execute(text, {**fixed, **parameters})) as found:
            yield found
    except Error as error:
        raise cast("DBAPIError", DBAPIError.instance(None, None, error, Error)) from error


@lru_cache(maxsize=64)
def _spelled(statement: Executable) -> tuple[str, dict[str, Any]]:
    compiled = cast("ClauseElement", statement).compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


_DIALECT: Final = SQLiteDialect_pysqlite(paramstyle="named")


def _wait_of(url: str) -> float:
    try:
        return float(str(make_url(url).query.get("timeout", WAIT_SECONDS)))
    except ValueError:
        raise LedgerError(
            "the timeout in the database URL is no number of seconds; write it like sqlite:///caremonth.db?timeout=10"
        ) from None


def _keep_log(connection: Any, wait: float) -> None:
    """Switch to the write-ahead log. SQLite does not wait where another does the same at that moment, so it is done here."""
    until = monotonic() + wait
    while True:
        try:
            return _pragma(connection, "journal_mode=WAL")
        except OperationalError as error:
            if error.sqlite_errorcode != SQLITE_BUSY or monotonic() > until:
                raise
            sleep(0.02)


def _pragma(connection: Any, pragma: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
