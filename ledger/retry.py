"""One transaction, tried again where another writer or a restart of the server came between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from random import uniform
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ledger import locks
from ledger.database import asking, is_postgres, pipelined, reading, refusal, snapshot, writing
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from types import ModuleType

    from ledger import commits

T = TypeVar("T")
TRIES: Final = 20
FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 1.0


class RaceError(Exception):
    """What another writer committed meanwhile bears on this transaction: it must begin anew."""


def transaction(engine: Engine, work: Callable[[Connection], T], *, pipeline: bool = False) -> T:
    """Do the work in one transaction and return what it returns once that is durable; it is done whole or not at all. With `pipeline`
    Postgres works on what needs no answer while the program goes on (`ledger.driver`).

    On Postgres it may be done several times, so it must keep nothing of a time before: after a deadlock, a row that another writer was
    quicker to insert, a lost connection. Races are tried again a bounded number of times, a server that is gone for as long as the URL's
    `timeout`; then LedgerError. A commit whose answer was lost is looked up by what it wrote, never repeated on suspicion.
    """
    if not is_postgres(engine):
        with writing(engine) as connection:
            return work(connection)
    from ledger import postgres

    wait, tries = float(engine.get_execution_options()[postgres.WAIT]), 0
    until = monotonic() + wait
    while True:
        try:
            return _once(engine, work, postgres, wait, pipeline=pipeline)
        except DBAPIError as error:
            lost = postgres.is_lost(error)
            if not postgres.passes(error) or monotonic() > until or (not lost and tries >= TRIES):
                raise refusal(error) from None
        except RaceError:
            if tries >= TRIES:
                raise LedgerError(f"other writers were quicker {TRIES} times with the same input; run the command again") from None
        sleep(uniform(0.5, 1) * min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries))
        tries += 1


def look(engine: Engine, work: Callable[[Connection], T], *, once: bool = False) -> T:
    """Do what only reads in one transaction that sees one state; a server that is gone is waited for as `transaction` does.

    What reads `once`, by one statement, needs no transaction to see one state, and costs fewer ways to the server.
    """
    if not is_postgres(engine):
        with reading(engine) as connection:
            return work(connection)
    from ledger import postgres

    until = monotonic() + float(engine.get_execution_options()[postgres.WAIT])
    while True:
        try:
            with asking(engine) if once else snapshot(engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if not postgres.is_lost(error) or monotonic() > until:
                raise refusal(error) from None
        sleep(LONGEST_PAUSE / 4)


def _once(engine: Engine, work: Callable[[Connection], T], postgres: ModuleType, wait: float, *, pipeline: bool) -> T:
    from ledger import commits

    reached: tuple[commits.Mark, T] | None = None
    with engine.connect() as connection:
        begun = connection.begin()
        try:
            with pipelined(connection) if pipeline else nullcontext():
                made = commits.mark(connection)
                connection.info[locks.BATCH] = made.token
                done = work(connection)
                reached = made, done
                # Said with what is still to be answered: where that failed, this one rolls back, and the failure is what is told.
                begun.commit()
        except DBAPIError as error:
            if reached is None:
                raise
            # What was said behind the failure may be prepared by the driver's books and not by the server's: no session to go on with.
            connection.invalidate()
            if not (postgres.is_lost(error) and _was_committed(engine, reached[0], wait)):
                raise
            return reached[1]
        return done


def _was_committed(engine: Engine, made: commits.Mark, wait: float) -> bool:
    """Ask the server, once it is there again, what became of the transaction; LedgerError where it is not there in time."""
    from ledger import commits

    until = monotonic() + wait
    while True:
        with suppress(DBAPIError), engine.connect() as connection:
            return commits.arrived(connection, made)
        if monotonic() > until:
            break
        sleep(LONGEST_PAUSE / 4)
    raise LedgerError(
        "the database was lost while it committed, and did not come back in time: the last step may be written or not; "
        "run the command again once it is back, what is known already changes nothing"
    )
