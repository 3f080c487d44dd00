"""What a broker hands over: records, and the places they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import lt
from typing import NamedTuple, Protocol, TypeVar

from ledger.arrivals import Arrival, Parked


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One message as the broker holds it; `timestamp` is the broker's or producer's clock in milliseconds."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int

    @property
    def origin(self) -> str:
        """Where it stands, as dead letters name it."""
        return f"kafka:{self.place.topic}/{self.place.partition}/{self.offset}"


class Read(NamedTuple):
    """A record as the ledger takes it: the event in it, or why it is parked."""

    place: Place
    offset: int
    timestamp: int
    input: Arrival | Parked


class _Positioned(Protocol):
    @property
    def place(self) -> Place: ...
    @property
    def offset(self) -> int: ...


P = TypeVar("P", bound=_Positioned)


class Gap(NamedTuple):
    """Offsets `[first, after)` of a partition that were not handed over though later ones were."""

    place: Place
    first: int
    after: int


def by_place(records: Iterable[P]) -> dict[Place, list[P]]:
    """The records of each partition in order of offset, each once."""
    found: dict[Place, list[P]] = {}
    for record in records:
        found.setdefault(record.place, []).append(record)
    return {place: _in_order(rows) for place, rows in sorted(found.items())}


def _in_order(rows: list[P]) -> list[P]:
    offsets = [row.offset for row in rows]
    if all(map(lt, offsets, offsets[1:])):
        return rows
    known = dict(zip(offsets, rows, strict=True))
    return [known[at] for at in sorted(known)]


def unread(records: Iterable[P], positions: Mapping[Place, int]) -> dict[Place, list[P]]:
    """What stands at or above the positions: the rest was taken before."""
    kept = {place: [r for r in rows if r.offset >= positions[place]] for place, rows in by_place(records).items()}
    return {place: rows for place, rows in kept.items() if rows}


def gaps(fresh: Mapping[Place, Sequence[P]], positions: Mapping[Place, int]) -> list[Gap]:
    """Offsets that are missing from the position to the last record of each partition."""
    found = []
    for place, rows in fresh.items():
        expected = positions[place]
        for record in rows:
            if record.offset > expected:
                found.append(Gap(place, expected, record.offset))
            expected = record.offset + 1
    return found
