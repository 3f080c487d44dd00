"""Opening the database a URL names, at the schema this program knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Executable, Table, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ledger.errors import LedgerError, NoLedgerError
from ledger.packed import Texts
from ledger.sqlite import WRITES, sqlite_engine

HEAD: Final = "0004"
CHUNK: Final = 2_000
LARGE_CHUNK: Final = 10_000
FORMS: Final = "sqlite:///caremonth.db or postgresql+psycopg://USER@HOST/DATABASE"
T = TypeVar("T")
Rows = Callable[[], Sequence[Any]]
Written = Sequence[Mapping[str, Any]]
Columns = Sequence[Sequence[Any]]


def connect(url: str, *, full_sync: bool = False, create: bool = True) -> Engine:
    """An engine for the URL with the schema in place.

    `full_sync` is SQLite's alone: a commit on Postgres is durable when it returns. Raises LedgerError where the URL is none, its database
    cannot be opened, or was written by a later program; no message holds what the URL says of a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError(f"the database URL cannot be read; write it like {FORMS}") from None
    with told():
        engine = _engine(parsed, url, full_sync=full_sync)
        try:
            _prepare(engine, create=create)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _engine(parsed: URL, url: str, *, full_sync: bool) -> Engine:
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return sqlite_engine(url, full_sync=full_sync)
    if kind not in ("postgresql", "postgres"):
        raise LedgerError(f"databases of the kind {kind!r} are not served; write the URL like {FORMS}")
    from ledger.postgres import postgres_engine

    return postgres_engine(parsed)


def is_postgres(bind: Connection | Engine) -> bool:
    """Whether the ledger is on Postgres, where several write at once."""
    return bind.dialect.name == "postgresql"


def _prepare(engine: Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        version = _version(connection)
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise LedgerError(f"the ledger's schema is {version}, this program knows {HEAD}; use the program version that wrote it")
    if version is None and not create:
        raise NoLedgerError("there is no ledger at this URL yet; ingest events first, or name another with --db")
    from ledger.migrations.run import upgrade

    with writing(engine) as connection:
        if is_postgres(connection):
            from ledger.postgres import require_fit, unhurried

            require_fit(connection)
            unhurried(connection)
        upgrade(connection)


def _version(connection: Connection) -> str | None:
    known = inspect(connection).has_table("alembic_version")
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write: committed whole or not at all."""
    with told(), engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one state of the ledger and writes nothing."""
    with told(), snapshot(engine) as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """As `reading`, but what the driver raises stays as it is."""
    with engine.connect() as connection:
        if not is_postgres(engine):
            with connection.begin():
                yield connection
            return
        from ledger.postgres import unhurried

        with connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True).begin():
            unhurried(connection)
            yield connection


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """A session of Postgres in which each statement is a transaction of its own; what the driver raises stays as it is."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def told() -> Iterator[None]:
    """Turn what a database driver says into a sentence; no statement and no parameter is repeated."""
    try:
        yield
    except NoSuchModuleError:
        raise LedgerError(f"the database URL names a driver that is not installed; write it like {FORMS}") from None
    except DBAPIError as error:
        raise refusal(error) from None


def refusal(error: DBAPIError) -> LedgerError:
    """The sentence for what a database driver said."""
    return LedgerError(f"the database refused: {_short(error)}; nothing of this step was written, run the command again after mending that")


def _short(error: DBAPIError) -> str:
    if getattr(error.orig, "diag", None) is not None:
        from ledger.postgres import sentence

        return sentence(error)
    words = str(error.orig).splitlines()
    return words[0] if words else type(error).__name__


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most `size`, as many as one statement takes."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def ask(connection: Connection, statement: Executable, **parameters: Any) -> Sequence[Any]:
    """The rows of a statement that is one object for the life of the program, since it is spelled once."""
    return asked(connection, statement, **parameters)()


def asked(connection: Connection, statement: Executable, **parameters: Any) -> Rows:
    """The same rows, when they are called for: what is asked before is answered with it, in a pipeline by one way to the server."""
    if is_postgres(connection):
        from ledger.driver import asked as asked_for

        return asked_for(connection, statement, parameters)
    there = connection.execute(statement, parameters).all()
    return lambda: there


def say(connection: Connection, text: str, *parameters: Any) -> None:
    """Have a statement carried out that only Postgres understands."""
    from ledger.driver import said

    said(connection, text, parameters)


def answered(connection: Connection, text: str, *parameters: Any) -> Rows:
    """The rows of a statement that only Postgres understands, when they are called for."""
    from ledger.driver import later

    return later(connection, text, parameters)


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Let Postgres work on what needs no answer while the program goes on; all was carried out when the block ends (`ledger.driver`)."""
    if not is_postgres(connection):
        yield
        return
    from ledger.driver import pipelined as in_pipeline

    with in_pipeline(connection):
        yield


def found(connection: Connection, statement: Executable, keys: Iterable[str], **parameters: Any) -> Iterator[Any]:
    """The rows of a statement (`ask`) that asks for `one_of` these keys, as many keys at once as the database takes well."""
    several = is_postgres(connection)
    for chunk in chunks(keys, LARGE_CHUNK if several else CHUNK):
        yield from ask(connection, statement, **parameters, keys=Texts(chunk) if several else chunk)


def sought(connection: Connection, statement: Executable, keys: Iterable[str]) -> Callable[[], Iterable[Any]]:
    """The same rows, when they are called for (`asked`)."""
    several = is_postgres(connection)
    parts = [
        asked(connection, statement, keys=Texts(chunk) if several else chunk) for chunk in chunks(keys, LARGE_CHUNK if several else CHUNK)
    ]
    return lambda: chain.from_iterable(part() for part in parts)


def insert_all(connection: Connection, table: Table, rows: Written) -> None:
    """Insert rows, if any."""
    _bulk(connection, table, rows, "insert")


def insert_columns(connection: Connection, table: Table, columns: Columns, mode: str = "insert") -> None:
    """Insert rows, if any, that are given as the table's columns in their order; by a mode of `_bulk`, in an upsert no key twice.

    Of many rows no more is made than what goes to the database.
    """
    if not columns or not columns[0]:
        return
    if is_postgres(connection):
        from ledger.postgres import put

        put(connection, table, columns, mode)
        return
    text_of, _ = _spelled(connection.dialect, table, mode)
    connection.exec_driver_sql(text_of, list(zip(*columns, strict=True)))


def upsert_all(connection: Connection, table: Table, rows: Written) -> None:
    """Insert rows, those with a known primary key in place of the old."""
    _bulk(connection, table, rows, "upsert")


def insert_new(connection: Connection, table: Table, rows: Written) -> None:
    """Insert those rows whose primary key is not there yet."""
    _bulk(connection, table, rows, "ignore")


def _bulk(connection: Connection, table: Table, rows: Written, mode: str) -> None:
    """Hand many rows to the driver at once: the statement is spelled once, and rows are not looked at one by one on the way."""
    if not rows:
        return
    if is_postgres(connection):
        from ledger.postgres import bulk

        bulk(connection, table, rows, mode)
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
    statement = table.insert() if mode == "insert" else _on_conflict(table, mode)
    compiled = statement.compile(dialect=dialect, column_keys=[column.name for column in table.columns])
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None


def _on_conflict(table: Table, mode: str) -> Any:
    from sqlalchemy.dialects.sqlite import insert

    statement = insert(table)
    if mode == "ignore":
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.primary_key]
    kept = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=kept)
