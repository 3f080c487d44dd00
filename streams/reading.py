"""What was fetched is read ahead of what is taken, on a thread of its own: the next events are ready when the ledger is."""

from __future__ import annotations

import asyncio
from asyncio import Queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from streams.faust_app import Fetched, records_of
from streams.lanes import lane_of
from streams.records import Read, Record


class Reading:
    """Reads fetch by fetch. Of each lane about a batch waits to be taken, and no more is read until it is."""

    def __init__(self, read: Callable[[Sequence[Record]], list[Read]], batch: int, lanes: int = 1) -> None:
        self.read = read
        self.batch = batch
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._ready: list[list[Read]] = [[] for _ in range(lanes)]
        self._some = [asyncio.Event() for _ in range(lanes)]
        self._room = asyncio.Event()

    async def run(self, fetched: Queue[Fetched]) -> None:
        """Read until cancelled."""
        while True:
            records = list(records_of(await fetched.get()))
            for record in await asyncio.get_running_loop().run_in_executor(self.thread, self.read, records):
                lane = lane_of(record.place, len(self._ready))
                self._ready[lane].append(record)
                self._some[lane].set()
            while any(len(ready) >= self.batch for ready in self._ready):
                self._room.clear()
                await self._room.wait()

    async def taken(self, patience: float, lane: int = 0) -> list[Read]:
        """What waits of a lane; an empty list after so many seconds without anything."""
        try:
            async with asyncio.timeout(patience):
                await self._some[lane].wait()
        except TimeoutError:
            return []
        found, self._ready[lane] = self._ready[lane], []
        self._some[lane].clear()
        self._room.set()
        return found
