"""A view of the outbox: its version, its tables, and its position, kept in the transaction of its rows.

The tables belong to the view alone. They are made when it is first brought up to date, and made anew when the program
carries another version of it, whatever the older version's tables were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Column, Connection, Engine, MetaData, Table, func, inspect, select

from ledger import locks, schema
from ledger.database import reading, upsert_all
from ledger.errors import LedgerError
from ledger.outbox import sent
from ledger.retry import transaction
from ledger.schema import NUMBER, TEXT

Event = dict[str, Any]

positions: Final = Table(
    "projections",
    MetaData(),
    Column("name", TEXT, primary_key=True),
    Column("version", NUMBER, nullable=False),
    Column("position", NUMBER, nullable=False),
    Column("tables", TEXT, nullable=False),
)


class Projection(Protocol):
    """What a view says of itself. Another `version` makes its tables anew; `types` are the decisions it is made from."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def types(self) -> Sequence[str]: ...

    @property
    def tables(self) -> Sequence[Table]: ...

    def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write what new events change, in the caller's transaction. They come in order of `sequence`, each once."""


class Recorded(NamedTuple):
    """What the database knows of a view: which version wrote it, how far it has come, which tables are its own."""

    version: int
    position: int
    tables: tuple[str, ...]


def recorded(connection: Connection, projection: Projection, *, lock: bool = False) -> Recorded | None:
    """The record of a view; None where it was never made. With `lock` nobody else brings the view further before this transaction ends."""
    if not inspect(connection).has_table(positions.name):
        return None
    t = positions.c
    statement = select(t.version, t.position, t.tables).where(t.name == projection.name)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else Recorded(row.version, row.position, tuple(row.tables.split()))


def prepare(connection: Connection, projection: Projection) -> int:
    """Have the tables of this version there, empty where another version or none wrote them; returns the position."""
    known = recorded(connection, projection, lock=True)
    if known is None or known.version != projection.version:
        locks.setup(connection)
        known = recorded(connection, projection, lock=True)
    if known is not None and known.version == projection.version:
        return known.position
    create(connection, projection)
    return 0


def create(connection: Connection, projection: Projection) -> None:
    """Make the view's tables empty, in place of those on record, and put its position at the beginning."""
    locks.setup(connection)
    known = recorded(connection, projection, lock=True)
    positions.create(connection, checkfirst=True)
    for name in {*(known.tables if known else ()), *(table.name for table in projection.tables)}:
        Table(name, MetaData()).drop(connection, checkfirst=True)
    for table in projection.tables:
        table.create(connection)
    _record(connection, projection, 0)


def _record(connection: Connection, projection: Projection, position: int) -> None:
    tables = " ".join(table.name for table in projection.tables)
    row = {"name": projection.name, "version": projection.version, "position": position, "tables": tables}
    upsert_all(connection, positions, [row])


def advance(engine: Engine, projection: Projection, batch: int) -> int | None:
    """Read at most `batch` events further, in one transaction; how many were new to the view, None where it is up to date."""
    if up_to_date(engine, projection):
        return None

    def work(connection: Connection) -> int:
        position = prepare(connection, projection)
        head = _head(connection)
        found = list(islice(sent(connection, position, projection.types), batch))
        return deliver(connection, projection, found, head if len(found) < batch else 0)

    return transaction(engine, work)


def deliver(connection: Connection, projection: Projection, events: Iterable[Event], head: int = 0) -> int:
    """Hand events to a view and store its position with its rows; what it has read before is left out. Returns how many were new.

    Events come without holes, and may come again. `head` is a position up to which nothing else concerns the view.
    """
    position = prepare(connection, projection)
    fresh = sorted({event["sequence"]: event for event in events if event["sequence"] > position}.items())
    if fresh:
        projection.handle(connection, [event for _, event in fresh])
    _record(connection, projection, max(position, head, fresh[-1][0] if fresh else 0))
    return len(fresh)


def up_to_date(engine: Engine, projection: Projection) -> bool:
    """Whether the view is of this version and has read all there is. Asked before writing, so that a reader waits for nobody."""
    with reading(engine) as connection:
        known = recorded(connection, projection)
        return known is not None and known.version == projection.version and known.position >= _head(connection)


def _head(connection: Connection) -> int:
    return connection.execute(select(func.max(schema.outbox.c.sequence))).scalar() or 0


def require(connection: Connection, projection: Projection) -> None:
    """Raise LedgerError where the view was not made by this version of the program: its rows would be missing or misread."""
    known = recorded(connection, projection)
    if known is None or known.version != projection.version:
        raise LedgerError(f"the view {projection.name!r} has not been made by this version of the program; bring it up to date first")
