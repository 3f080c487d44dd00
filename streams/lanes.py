"""Lanes: what was read and not taken yet, by partitions that are taken beside others.

A lane is in one hand at a time, and all partitions of one number are of one lane, so that a patient's events stay in order. With a backlog
each hand has a lane, and while one waits for the database the other computes; at the end of the streams one hand takes all lanes together,
since two small batches cost nearly twice what one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ledger.arrivals import Arrival
from streams.records import Read

PATIENTS: Final = 450
"""So many patients of a lane are in a batch at most: a backlog of many patients would need their documents' memory all at once."""


class Lanes:
    """What waits, lane by lane. `room` is set whenever a hand took some."""

    def __init__(self, number: int) -> None:
        self._ready: list[list[Read]] = [[] for _ in range(number)]
        self._taken = [False] * number
        self._changed = asyncio.Event()
        self.room = asyncio.Event()

    def add(self, records: Iterable[Read]) -> None:
        """Put records in their lanes."""
        for record in records:
            self._ready[record.place.partition % len(self._ready)].append(record)
        self._changed.set()

    def longest(self) -> int:
        """How many records wait in the lane where most do."""
        return max(map(len, self._ready))

    @asynccontextmanager
    async def taken(self, patience: float, together: Callable[[], bool]) -> AsyncIterator[list[Read]]:
        """What waits in a lane that no other hand has, or `together` in all of those; they are this hand's until the block ends.

        Nothing after so many seconds in which there was none.
        """
        mine = await self._mine(patience, together)
        try:
            yield self._out(mine)
        finally:
            for lane in mine:
                self._taken[lane] = False
            self._changed.set()

    async def _mine(self, patience: float, together: Callable[[], bool]) -> list[int]:
        try:
            async with asyncio.timeout(patience):
                while not any(self._ready[lane] for lane in self._free()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        free = self._free()
        mine = free if together() else [max(free, key=lambda lane: len(self._ready[lane]))]
        for lane in mine:
            self._taken[lane] = True
        return mine

    def _free(self) -> list[int]:
        return [lane for lane, taken in enumerate(self._taken) if not taken]

    def _out(self, mine: list[int]) -> list[Read]:
        found: list[Read] = []
        for lane in mine:
            ready = self._ready[lane]
            end = _reach(ready)
            found += ready[:end]
            self._ready[lane] = ready[end:]
        self.room.set()
        return found


def _reach(records: Sequence[Read]) -> int:
    """How many of the records from the first on are of no more than `PATIENTS` patients."""
    patients: set[tuple[str, str]] = set()
    for number, record in enumerate(records):
        if isinstance(record.input, Arrival):
            patients.add((record.input.event.tenant, record.input.event.subject))
            if len(patients) > PATIENTS:
                return number
    return len(records)
