"""From records to the ledger: one transaction a batch, positions moved in it. Synchronous; one thread at a time uses it, and any `read`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger import Claim, FencedError, Ledger, Summary
from streams.codec import receive
from streams.records import Gap, Place, Read, Record, gaps, unread


class GapsError(Exception):
    """Offsets were passed over on the way from the ledger's positions to the records that came; nothing was written."""

    def __init__(self, found: list[Gap]) -> None:
        super().__init__(f"{len(found)} gaps between the ledger's positions and what came")
        self.gaps = found


class Intake:
    """Takes records into the ledger. Remembers how far it is, which the ledger compares before it takes anything.

    `positions` may be shared by several whose batches at one time are of other partitions.
    """

    def __init__(self, ledger: Ledger, writer: str, positions: dict[Place, int] | None = None) -> None:
        self.ledger = ledger
        self.writer = writer
        self.positions = {} if positions is None else positions
        ledger.require_rules()

    def read(self, records: Iterable[Record]) -> list[Read]:
        """What the records hold; needs no database, and may be done before it is known whether they were taken already."""
        return [Read(one.place, one.offset, one.timestamp, receive(one, self.ledger.words)) for one in records]

    def take(self, records: Sequence[Read], *, at_once: bool = False, complete: bool = False) -> Summary:
        """Take what was not taken before, and decide it `at_once` (`Ledger.take`).

        Raises FencedError where another writer is ahead, and GapsError where offsets were passed over, unless the records are `complete`:
        what stands there was read again.
        """
        known = self._known(record.place for record in records)
        fresh = unread(records, known)
        if not complete and (missing := gaps(fresh, known)):
            raise GapsError(missing)
        if not fresh:
            return Summary()
        after = {place: rows[-1].offset + 1 for place, rows in fresh.items()}
        read = [record.input for rows in fresh.values() for record in rows]
        try:
            moves = {(at.topic, at.partition): (known[at], to) for at, to in after.items()}
            fates = self.ledger.take(read, Claim(moves, self.writer), at_once=at_once)
        except FencedError:
            self.forget(known)
            raise
        self.positions |= after
        return Summary.of(fates)

    def forget(self, places: Iterable[Place]) -> None:
        """Partitions that are another's now."""
        for place in list(places):
            self.positions.pop(place, None)

    def _known(self, places: Iterable[Place]) -> dict[Place, int]:
        """How far the ledger is with these partitions; it is asked of those that are new here."""
        wanted = set(places)
        known = {place: at for place, at in self.positions.copy().items() if place in wanted}
        if unknown := sorted(wanted - known.keys()):
            stored = self.ledger.positions({place.topic for place in unknown})
            found = {place: stored.get((place.topic, place.partition), 0) for place in unknown}
            self.positions |= found
            known |= found
        return known
