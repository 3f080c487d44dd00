"""What became of a transaction whose answer was lost, on Postgres: each session keeps a row with a token of the last one it committed.

The row is written by the transaction itself, so it is there exactly when the rest of it is. The server's own number of the transaction
would not do: a crash can lose the number before anything of it is on disk, and the server then gives the same one to another transaction.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from secrets import randbits
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from ledger.driver import said

SESSION_SECONDS: Final = 3_600
"""A session is replaced after this, so that a row that began long ago belongs to nobody."""
KEPT_SECONDS: Final = 7 * 86_400
"""Longer than a session, its last transaction, and the time in which that is asked for together."""
_BEGAN: Final = "caremonth_began"
_ROW: Final = "caremonth_row"

_WRITE: Final = (
    "INSERT INTO commits (began, session, last) VALUES (%s, %s, %s) ON CONFLICT (began, session) DO UPDATE SET last = excluded.last"
)
_ASK: Final = (
    "INSERT INTO commits (began, session, last) VALUES (%s, %s, 0) "
    "ON CONFLICT (began, session) DO UPDATE SET last = commits.last RETURNING last"
)
_SWEEP: Final = (
    "DELETE FROM commits WHERE (began, session) IN "
    "(SELECT began, session FROM commits WHERE began < %s ORDER BY began, session LIMIT 1000 FOR UPDATE SKIP LOCKED)"
)


class Mark(NamedTuple):
    """A transaction: when its session began, in seconds of the server's clock, the number of its session, and its own token."""

    began: int
    session: int
    token: int


def began(info: MutableMapping[Any, Any], seconds: int) -> None:
    """Note of a new session when it began, by the server's clock."""
    info[_BEGAN] = seconds


def mark(connection: Connection) -> Mark:
    """Mark the transaction that this connection is in, before anything else is done in it."""
    info = connection.info
    if _ROW not in info:
        said(connection, _SWEEP, (info[_BEGAN] - KEPT_SECONDS,))
        info[_ROW] = _token()
    made = Mark(info[_BEGAN], info[_ROW], _token())
    said(connection, _WRITE, made)
    return made


def arrived(connection: Connection, made: Mark) -> bool:
    """Whether the marked transaction was committed.

    Asked by writing the row, which waits for a session that is still at it, even at its first transaction; to be rolled back.
    """
    return bool(connection.exec_driver_sql(_ASK, made[:2]).scalar_one() == made.token)


def _token() -> int:
    return randbits(62) + 1
