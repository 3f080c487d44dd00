"""What was fetched is read ahead of what is taken, on a thread of its own: the next events are ready when the ledger is."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import Callable, Sequence

from streams.faust_app import Fetched, records_of
from streams.hands import Hand
from streams.lanes import Lanes
from streams.records import Read, Record


class Reading:
    """Reads fetch by fetch. Of each lane about a batch waits to be taken, and no more is read until it is."""

    def __init__(self, read: Callable[[Sequence[Record]], list[Read]], batch: int, lanes: int = 1) -> None:
        self.hand = Hand("reading", read)
        self.batch = batch
        self.lanes = Lanes(lanes)

    async def run(self, fetched: Queue[Fetched]) -> None:
        """Read until cancelled."""
        while True:
            records = list(records_of(await fetched.get()))
            self.lanes.add(await self.hand.do(self.hand.tool, records))
            while self.lanes.longest() >= self.batch:
                self.lanes.room.clear()
                await self.lanes.room.wait()
