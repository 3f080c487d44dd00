"""How a ledger is: whether its schema is this program's, how far its decisions go, how much waits to be decided."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Engine, func, select, text

from ledger import schema
from ledger.database import HEAD, reading
from ledger.outbox import last_sequence

COUNTED: Final = 100_000
"""What waits is counted this far, so that asking stays quick."""


class Condition(NamedTuple):
    """`sequence` is the position of the last decision, `undecided` the causes for deciding that wait, counted up to `COUNTED`."""

    at_head: bool
    sequence: int
    undecided: int
    dead_letters: int


def condition(engine: Engine) -> Condition:
    """Ask the ledger; raises LedgerError where its database cannot be reached."""
    with reading(engine) as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        few = select(schema.due.c.month).limit(COUNTED).subquery()
        undecided = connection.execute(select(func.count()).select_from(few)).scalar_one()
        parked = connection.execute(select(func.count()).select_from(schema.dead_letters)).scalar_one()
        return Condition(version == HEAD, last_sequence(connection), undecided, parked)


def position(engine: Engine) -> int:
    """The position of the last decision."""
    with reading(engine) as connection:
        return last_sequence(connection)
