"""Hearing that there are new decisions, without asking all the time."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ledger.database import is_postgres, say

if TYPE_CHECKING:
    from psycopg import Connection as Driver

CHANNEL: Final = "caremonth_news"
PAUSE: Final = 0.02
"""Seconds between two looks at a database that cannot call."""


def tell(connection: Connection) -> None:
    """Call whoever listens, when this transaction is committed."""
    if is_postgres(connection):
        say(connection, f"NOTIFY {CHANNEL}")


class News:
    """A listener. What is told between two waits is not missed: the next returns at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver: Driver[object] | None = None

    def wait(self, longest: float) -> bool:
        """Return when there may be something new, at the latest after so many seconds; also where the connection is lost.

        False when nothing was told, by a database that calls.
        """
        if not is_postgres(self._engine):
            sleep(min(PAUSE, longest))
            return False
        from psycopg import Error

        try:
            return any(True for _ in self._listening().notifies(timeout=longest, stop_after=1))
        except (Error, DBAPIError):
            self.close()
            sleep(min(1.0, longest))
            return True

    def _listening(self) -> Driver[object]:
        if self._driver is None:
            connection = self._engine.raw_connection()
            driver: Driver[object] = connection.driver_connection  # type: ignore[assignment]
            connection.detach()
            driver.rollback()
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            self._driver = driver
        return self._driver

    def close(self) -> None:
        """Stop listening."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None
