"""From records to the ledger: one transaction a batch, positions moved in it. Synchronous; one thread at a time uses it, and any `read`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger import Claim, FencedError, Ledger, Summary
from streams.codec import receive
from streams.records import Gap, Place, Read, Record, gaps, unread


class Intake:
    """Takes records into the ledger. Remembers how far it is, which the ledger compares before it takes anything."""

    def __init__(self, ledger: Ledger, writer: str) -> None:
        self.ledger = ledger
        self.writer = writer
        self.positions: dict[Place, int] = {}
        ledger.require_rules()

    def read(self, records: Iterable[Record]) -> list[Read]:
        """What the records hold; needs no database, and may be done before it is known whether they were taken already."""
        return [Read(one.place, one.offset, one.timestamp, receive(one, self.ledger.words)) for one in records]

    def missing(self, records: Sequence[Read]) -> list[Gap]:
        """Offsets passed over on the way from the ledger's positions to these records."""
        self._learn(record.place for record in records)
        return gaps(unread(records, self.positions), self.positions)

    def take(self, records: Sequence[Read], *, at_once: bool = False) -> Summary:
        """Take what was not taken before, gaps having been looked into, and decide it `at_once` (`Ledger.take`).

        Raises FencedError where another writer is ahead.
        """
        self._learn(record.place for record in records)
        fresh = unread(records, self.positions)
        if not fresh:
            return Summary()
        after = {place: rows[-1].offset + 1 for place, rows in fresh.items()}
        read = [record.input for rows in fresh.values() for record in rows]
        try:
            moves = {(at.topic, at.partition): (self.positions[at], to) for at, to in after.items()}
            fates = self.ledger.take(read, Claim(moves, self.writer), at_once=at_once)
        except FencedError:
            self.positions.clear()
            raise
        self.positions |= after
        return Summary.of(fates)

    def forget(self, places: Iterable[Place]) -> None:
        """Partitions that are another's now."""
        for place in places:
            self.positions.pop(place, None)

    def _learn(self, places: Iterable[Place]) -> None:
        """Ask the ledger how far it is with partitions that are new here."""
        unknown = sorted(set(places) - self.positions.keys())
        if unknown:
            stored = self.ledger.positions({place.topic for place in unknown})
            self.positions |= {place: stored.get((place.topic, place.partition), 0) for place in unknown}
