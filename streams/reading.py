"""What was fetched is read ahead of what is taken, on a thread of its own: the next events are ready when the ledger is."""

from __future__ import annotations

import asyncio
from asyncio import Queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from streams.faust_app import Fetched, records_of
from streams.records import Read, Record


class Reading:
    """Reads fetch by fetch. About a batch waits to be taken, and no more is read until it is."""

    def __init__(self, read: Callable[[Sequence[Record]], list[Read]], batch: int) -> None:
        self.read = read
        self.batch = batch
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._ready: list[Read] = []
        self._some = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self, fetched: Queue[Fetched]) -> None:
        """Read until cancelled."""
        while True:
            records = list(records_of(await fetched.get()))
            read = await asyncio.get_running_loop().run_in_executor(self.thread, self.read, records)
            self._ready.extend(read)
            self._some.set()
            while len(self._ready) >= self.batch:
                self._room.clear()
                await self._room.wait()

    async def taken(self, patience: float) -> list[Read]:
        """What waits; an empty list after so many seconds without anything."""
        try:
            async with asyncio.timeout(patience):
                await self._some.wait()
        except TimeoutError:
            return []
        found, self._ready = self._ready, []
        self._some.clear()
        self._room.set()
        return found
