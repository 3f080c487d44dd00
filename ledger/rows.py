"""Rows as the driver has them, plain tuples: for many rows SQLAlchemy's own and what it looks for in each cost as much as reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Executable, Select

from ledger.database import ask, chunks, is_postgres
from ledger.packed import Numbers, Packed, Texts
from ledger.sqlite import cursor

MOST: Final = 8_000
"""Keys one statement asks for."""
TOGETHER: Final = 1_000
"""Rows fetched at a time where a whole table is passed over."""


def of_texts(connection: Connection, statement: Executable, keys: Sequence[str], **fixed: Any) -> list[Any]:
    """The rows of a statement that asks for `one_of` these texts; it is one object for the life of the program."""
    return _of(connection, statement, keys, Texts, fixed)


def of_numbers(connection: Connection, statement: Executable, keys: Sequence[int]) -> list[Any]:
    """The rows of a statement that asks for `one_of` these numbers."""
    return _of(connection, statement, keys, Numbers, {})


def _of(
    connection: Connection, statement: Executable, keys: Sequence[Any], packed: Callable[[Any], Packed], fixed: dict[str, Any]
) -> list[Any]:
    rows: list[Any] = []
    for chunk in chunks(keys, MOST):
        if is_postgres(connection):
            rows += ask(connection, statement, **fixed, keys=packed(chunk))
        else:
            with cursor(connection, statement, {**fixed, "keys": orjson.dumps(chunk).decode()}) as found:
                rows += found
    return rows


def passed(connection: Connection, statement: Select[Any]) -> Iterator[Any]:
    """The rows of a statement about a whole table, of which no more than some are in memory at once."""
    if is_postgres(connection):
        for some in connection.execute(statement.execution_options(yield_per=TOGETHER)).partitions():
            yield from some
        return
    with cursor(connection, statement, {}) as found:
        while some := found.fetchmany(TOGETHER):
            yield from some
