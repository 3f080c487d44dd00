"""What is SQLite's alone: the file, its journal, how long a writer waits for another."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

WAIT_SECONDS: Final = 120
CACHE_KIB: Final = 48 * 1024
WRITES: Final = "caremonth_writes"


def sqlite_engine(url: str, *, full_sync: bool) -> Engine:
    """An engine whose writing transactions take the write lock when they begin, so that they wait instead of failing half-way.

    `full_sync` makes each commit durable against power loss; otherwise a power loss may undo the last commits,
    never part of one.
    """
    memory = url in ("sqlite://", "sqlite:///:memory:")
    engine = create_engine(
        url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False}, **({"poolclass": StaticPool} if memory else {})
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
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


def _pragma(connection: Any, pragma: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
