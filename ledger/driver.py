"""Statements handed to Postgres's own driver: what SQLAlchemy does for each costs more than the rest of it where a batch is small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from psycopg import Connection as Driver
from psycopg import Cursor, Error
from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Parameters = Sequence[Any] | Mapping[str, Any]


def rows(connection: Connection, text: str, parameters: Parameters = ()) -> list[Any]:
    """The rows of a statement, as tuples."""
    return said(connection, text, parameters).fetchall()


def said(connection: Connection, text: str, parameters: Parameters = ()) -> Cursor[Any]:
    """Have a statement carried out; what the driver raises comes as SQLAlchemy's error, as from any other statement."""
    driver = cast("Driver[Any]", connection.connection.driver_connection)
    try:
        return driver.cursor().execute(text, parameters)
    except Error as error:
        raise _told(connection, driver, error) from error


def _told(connection: Connection, driver: Driver[Any], error: Error) -> DBAPIError:
    lost = driver.closed or driver.broken
    if lost:
        connection.invalidate(error)
    return cast("DBAPIError", DBAPIError.instance(None, None, error, Error, connection_invalidated=lost))


def asked(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement that is asked again and again: one object, spelled once."""
    text, fixed = _spelled(statement)
    return rows(connection, text, {**fixed, **parameters})


@lru_cache(maxsize=256)
def _spelled(statement: Executable) -> tuple[str, dict[str, Any]]:
    compiled = cast("ClauseElement", statement).compile(dialect=_DIALECT)
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
