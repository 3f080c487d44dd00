"""Statements handed to Postgres's own driver: what SQLAlchemy does for each costs more than the rest of it where a batch is small.

In a pipeline the server works on what was said while the program goes on, and an answer is waited for only where someone needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from logging import ERROR, getLogger
from typing import Any, Self, cast

from psycopg import Connection as Driver
from psycopg import Cursor, Error, Pipeline
from psycopg.pq import Format, PipelineStatus
from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Parameters = Sequence[Any] | Mapping[str, Any]
getLogger("psycopg").setLevel(ERROR)  # what it warns of at the end of a pipeline that failed was raised before


class BinaryCursor(Cursor[Any]):
    """Results in their binary form: documents come as they are instead of in hexadecimal."""

    def __init__(self, connection: Driver[Any], **options: Any) -> None:
        super().__init__(connection, **options)
        self.format = Format.BINARY


class _Calm(Pipeline):
    """A pipeline in which the server is told of each statement that it may be the last for now, and is asked for no answer in between.

    Otherwise a session in the midst of a pipeline is at work for Postgres and never idle: no timeout would end that of a frozen writer,
    whose locks would hold up all others.
    """

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        if self.command_queue and self.command_queue[-1] != self.pgconn.pipeline_sync:
            self._enqueue_sync()
        yield from super()._communicate_gen()

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:  # noqa: ARG002  the server answers each by itself
        yield from super()._fetch_gen(flush=False)

    def _sync_gen(self) -> Generator[Any, Any, None]:
        if self._is_waiting:
            yield from super()._sync_gen()

    def _exit_gen(self) -> Generator[Any, Any, None]:
        if self._is_waiting:
            yield from super()._exit_gen()

    @property
    def _is_waiting(self) -> bool:
        """Whether there is anything to send or to be answered: else a way to the server would bring nothing."""
        return bool(self.command_queue or self.result_queue)


class PromptCursor(BinaryCursor):
    """One whose statement has been carried out when `execute` returns, also in a pipeline, as SQLAlchemy takes for granted."""

    def execute(self, *arguments: Any, **options: Any) -> Self:
        super().execute(*arguments, **options)
        if self.connection.pgconn.pipeline_status != PipelineStatus.OFF:
            with self.connection.pipeline():
                """A pipeline within one waits at its end for what was said before."""
        return self


def rows(connection: Connection, text: str, parameters: Parameters = (), *, prepare: bool | None = None) -> list[Any]:
    """The rows of a statement, as tuples."""
    return later(connection, text, parameters, prepare=prepare)()


def later(connection: Connection, text: str, parameters: Parameters = (), *, prepare: bool | None = None) -> Callable[[], list[Any]]:
    """Have a statement carried out; its rows are waited for when they are called for, and in a pipeline not before."""
    cursor = said(connection, text, parameters, prepare=prepare)

    def fetched() -> list[Any]:
        try:
            return cursor.fetchall()
        except Error as error:
            raise _told(connection, error) from error

    return fetched


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Have the statements of the block carried out in a pipeline, all of them when it ends.

    An error of one that was only `said` is raised where the next answer is waited for, at the latest here.
    """
    driver = _driver(connection)
    driver._pipeline = _Calm(driver)
    try:
        with driver.pipeline() as pipeline:
            yield
            try:
                pipeline.sync()
            except Error as error:
                raise _told(connection, error) from error
    except BaseException as error:
        # One that was cut off in the midst of answers cannot leave its pipeline, and no transaction on it could be rolled back.
        if driver.pgconn.pipeline_status != PipelineStatus.OFF or driver.closed:
            connection.invalidate()
        if isinstance(error, Error):
            raise _told(connection, error) from error
        raise


def said(connection: Connection, text: str, parameters: Parameters = (), *, prepare: bool | None = None) -> Cursor[Any]:
    """Have a statement carried out; what the driver raises comes as SQLAlchemy's error, as from any other statement.

    One that comes again and again is prepared, and the session keeps its plan; not so with `prepare` False.
    """
    try:
        return BinaryCursor(_driver(connection)).execute(text, parameters, prepare=prepare)
    except Error as error:
        raise _told(connection, error) from error


def _driver(connection: Connection) -> Driver[Any]:
    return cast("Driver[Any]", connection.connection.driver_connection)


def _told(connection: Connection, error: Error) -> DBAPIError:
    lost = connection.invalidated or _driver(connection).closed
    if lost and not connection.invalidated:
        connection.invalidate(error)
    return cast("DBAPIError", DBAPIError.instance(None, None, error, Error, connection_invalidated=lost))


def asked(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> Callable[[], list[Any]]:
    """The rows, when they are called for, of a statement that is asked again and again: one object, spelled once."""
    text, fixed = _spelled(statement)
    return later(connection, text, {**fixed, **parameters})


@lru_cache(maxsize=256)
def _spelled(statement: Executable) -> tuple[str, dict[str, Any]]:
    compiled = cast("ClauseElement", statement).compile(dialect=_DIALECT)
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
