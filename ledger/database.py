"""Opening the database a URL names, at the schema this program knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Table, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ledger.errors import LedgerError
from ledger.sqlite import WRITES, sqlite_engine

HEAD: Final = "0001"
CHUNK: Final = 400
T = TypeVar("T")


def connect(url: str, *, full_sync: bool = False, create: bool = True) -> Engine:
    """An engine for the URL with the schema in place.

    Raises LedgerError where the URL is none, its database cannot be opened, or was written by a later program.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerError("the database URL cannot be read; write it like sqlite:///caremonth.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise LedgerError(f"databases of the kind {parsed.get_backend_name()!r} are not served yet; use sqlite:///FILE")
    with told():
        engine = sqlite_engine(url, full_sync=full_sync)
        _prepare(engine, create=create)
    return engine


def _prepare(engine: Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise LedgerError(f"the ledger's schema is {version}, this program knows {HEAD}; use the program version that wrote it")
    if not create:
        raise LedgerError("there is no ledger at this URL yet; ingest events first, or name another with --db")
    from ledger.migrations.run import upgrade

    with writing(engine) as connection:
        upgrade(connection)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write: committed whole or not at all."""
    with told(), engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one state of the ledger."""
    with told(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def told() -> Iterator[None]:
    """Turn what a database driver says into a sentence; no statement and no parameter is repeated."""
    try:
        yield
    except NoSuchModuleError:
        raise LedgerError("the database URL names a driver that is not installed; write it like sqlite:///caremonth.db") from None
    except DBAPIError as error:
        raise LedgerError(
            f"the database refused: {_short(error)}; nothing of this step was written, run the command again after mending that"
        ) from None


def _short(error: DBAPIError) -> str:
    words = str(error.orig).splitlines()
    return words[0] if words else type(error).__name__


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most `size`, as many as one statement takes."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


Rows = Sequence[Mapping[str, Any]]


def insert_all(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, if any."""
    _bulk(connection, table, rows, "insert")


def upsert_all(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, those with a known primary key in place of the old."""
    _bulk(connection, table, rows, "upsert")


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert those rows whose primary key is not there yet."""
    _bulk(connection, table, rows, "ignore")


def _bulk(connection: Connection, table: Table, rows: Rows, mode: str) -> None:
    """Hand many rows to the driver at once: the statement is spelled once, and rows are not looked at one by one on the way."""
    if not rows:
        return
    text_of, names = _spelled(connection.dialect, table, mode)
    if names is None:
        connection.exec_driver_sql(text_of, list(rows))
    else:
        pick = itemgetter(*names) if len(names) > 1 else (lambda row: (row[names[0]],))
        connection.exec_driver_sql(text_of, [pick(row) for row in rows])


@lru_cache(maxsize=128)
def _spelled(dialect: Dialect, table: Table, mode: str) -> tuple[str, tuple[str, ...] | None]:
    """The statement as the driver takes it, and the order of its parameters where they go by position."""
    statement = table.insert() if mode == "insert" else _on_conflict(dialect, table, mode)
    compiled = statement.compile(dialect=dialect, column_keys=[column.name for column in table.columns])
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None


def _on_conflict(dialect: Dialect, table: Table, mode: str) -> Any:
    statement = _dialect_insert(dialect)(table)
    if mode == "ignore":
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.primary_key]
    kept = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=kept)


def _dialect_insert(dialect: Dialect) -> Any:
    if dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert
    from sqlalchemy.dialects.sqlite import insert

    return insert
