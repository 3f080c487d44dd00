"""The peer: counted seconds of each accumulator and its threshold event, kept by the `eventsourcing` library on SQLite.

It is spared the rules, being told what counts, and spared reading: what it wrote stays in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Accumulator(Aggregate):
    """The counted seconds of one patient, month, program and practitioner."""

    @event("Opened")
    def __init__(self, key: str, threshold: int) -> None:
        self.key = key
        self.threshold = threshold
        self.seconds = 0
        self.reached = False

    @staticmethod
    def create_id(key: str) -> UUID:
        """The same id for the same key, as the library would have it."""
        return uuid5(NAMESPACE_OID, key)

    @event("TimeLogged")
    def log(self, entry: str, seconds: int) -> None:  # noqa: ARG002 the event is made from the signature
        """Add an entry's counted seconds."""
        self.seconds += seconds

    @event("ThresholdReached")
    def reach(self) -> None:
        """The lowest base threshold is filled."""
        self.reached = True


DATABASE: Final = "SQLITE_DBNAME"
MODULE: Final = {"PERSISTENCE_MODULE": "eventsourcing.sqlite"}


def keep(database: Path, entries: Path, *, together: int) -> dict[str, Any]:
    """Keep the totals of `[key, threshold, entry, seconds]` rows, so many a save; returns them with the time it took."""
    rows = json.loads(entries.read_text(encoding="utf-8"))
    start = perf_counter()
    with Application[UUID]({**MODULE, DATABASE: str(database)}) as application:
        kept: dict[str, Accumulator] = {}
        for first in range(0, len(rows), together):
            application.save(*{id(one): one for one in (_take(kept, *row) for row in rows[first : first + together])}.values())
    seconds = perf_counter() - start
    return {"seconds": seconds, "totals": {key: one.seconds for key, one in kept.items()}, "reached": sum(a.reached for a in kept.values())}


def _take(kept: dict[str, Accumulator], key: str, threshold: int, entry: str, seconds: int) -> Accumulator:
    one = kept.get(key)
    if one is None:
        one = kept[key] = Accumulator(key, threshold)
    one.log(entry, seconds)
    if not one.reached and one.seconds >= one.threshold:
        one.reach()
    return one
