"""From records to the ledger: one transaction a portion, positions moved in it. Synchronous; one thread at a time uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ledger.accepting import CLOSE
from ledger.arrivals import Arrival, Parked, Summary
from ledger.ledger import Fenced, Ledger
from streams.codec import unpack
from streams.records import Gap, Place, Record, gaps, unread

Read = Arrival | Parked


class Portion(NamedTuple):
    """What one transaction takes: the input, and how far each partition is with it."""

    read: list[Read]
    after: dict[Place, int]


class Intake:
    """Takes records into the ledger. Remembers how far it is, which is valid as long as the ledger says the same."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.positions: dict[Place, int] = {}
        self.fenced = 0

    def learn(self, places: Iterable[Place]) -> None:
        """Ask the ledger how far it is with partitions that are new here."""
        unknown = sorted(set(places) - self.positions.keys())
        if unknown:
            stored = self.ledger.positions({place.topic for place in unknown})
            self.positions |= {place: stored.get(tuple(place), 0) for place in unknown}

    def missing(self, records: Sequence[Record]) -> list[Gap]:
        """Offsets passed over on the way from the ledger's positions to these records."""
        self.learn(record.place for record in records)
        return gaps(unread(records, self.positions), self.positions)

    def take(self, records: Sequence[Record]) -> Summary:
        """Take what was not taken before; gaps have been looked into. Raises Fenced when another writer is ahead."""
        self.learn(record.place for record in records)
        total = Summary()
        for portion in _portions(self._read(unread(records, self.positions))):
            claim = {tuple(place): (self.positions[place], after) for place, after in portion.after.items()}
            try:
                total += self.ledger.take(portion.read, claim)
            except Fenced:
                self.fenced += 1
                self.positions.clear()
                raise
            self.positions |= portion.after
        return total

    def forget(self, places: Iterable[Place]) -> None:
        """Partitions that are another's now."""
        for place in places:
            self.positions.pop(place, None)

    def _read(self, fresh: dict[Place, list[Record]]) -> dict[Place, list[tuple[int, Read]]]:
        rows = [record for records in fresh.values() for record in records]
        read = self.ledger.read([(record.origin, unpack(record)) for record in rows])
        found: dict[Place, list[tuple[int, Read]]] = {}
        for record, one in zip(rows, read, strict=True):
            found.setdefault(record.place, []).append((record.offset + 1, one))
        return found


def _portions(rows: dict[Place, list[tuple[int, Read]]]) -> Iterator[Portion]:
    """Cut at closes: each is alone in its transaction, after what stands before it in its partition and before what follows."""
    while rows:
        plain = Portion([], {})
        for place, waiting in rows.items():
            stop = next((at for at, (_, one) in enumerate(waiting) if _closes(one)), len(waiting))
            if stop:
                plain.read.extend(one for _, one in waiting[:stop])
                plain.after[place] = waiting[stop - 1][0]
                del waiting[:stop]
        if plain.after:
            yield plain
        rows = {place: waiting for place, waiting in rows.items() if waiting}
        if rows:
            place, waiting = next(iter(rows.items()))
            after, close = waiting.pop(0)
            yield Portion([close], {place: after})
            rows = {place: waiting for place, waiting in rows.items() if waiting}


def _closes(one: Read) -> bool:
    return isinstance(one, Arrival) and one.event.type == CLOSE
