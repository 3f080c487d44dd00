"""Bring the views up to what the ledger has decided, or make them anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine

from ledger.database import writing
from projections.board import BOARD
from projections.export import EXPORT
from projections.projection import Projection, advance, create

PROJECTIONS: Final[tuple[Projection, ...]] = (BOARD, EXPORT)
BATCH: Final = 1000


def catch_up(engine: Engine, *, batch: int = BATCH, projections: Sequence[Projection] = PROJECTIONS) -> int:
    """Read each view up to the outbox's end, a transaction of at most `batch` events at a time; how many were read in all.

    Ended at any moment, it goes on the next time where the last whole batch ended. Raises LedgerError where the
    database refuses.
    """
    handled = 0
    for projection in projections:
        while (read := advance(engine, projection, batch)) is not None:
            handled += read
    return handled


def rebuild(engine: Engine, *, batch: int = BATCH, projections: Sequence[Projection] = PROJECTIONS) -> int:
    """Make the views anew from the outbox's beginning: the same rows. Until it has ended, readers see a part."""
    with writing(engine) as connection:
        for projection in projections:
            create(connection, projection)
    return catch_up(engine, batch=batch, projections=projections)
