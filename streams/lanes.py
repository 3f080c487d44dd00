"""Lanes: partitions whose records are taken one batch after the other, beside those of other lanes.

While one lane waits for the database another computes. All partitions of one number are of one lane, so that a patient's events stay in
order; two lanes are to the ledger what two workers are, each with a connection and with positions of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from streams.intake import Intake
from streams.records import Place

T = TypeVar("T")


def lane_of(place: Place, lanes: int) -> int:
    """The number of the lane that a partition's records go by."""
    return place.partition % lanes


class Lane:
    """One thread that takes records, and what it knows of the ledger's positions."""

    def __init__(self, number: int, intake: Intake) -> None:
        self.number = number
        self.part = f"taking-{number}"
        self.intake = intake
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.part)

    async def off_loop(self, call: Callable[..., T], *arguments: object) -> T:
        """Do it on the lane's thread, after the batch that may be under way there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def positions(self, mine: Collection[Place]) -> dict[Place, int]:
        """How far the ledger is with those partitions of the lane that are `mine`; the others are forgotten.

        On the lane's thread, where a batch may still be under way whose turn a rebalance cut short.
        """
        return await self.off_loop(self._kept, mine)

    def _kept(self, mine: Collection[Place]) -> dict[Place, int]:
        self.intake.forget(self.intake.positions.keys() - mine)
        return dict(self.intake.positions)

    def end(self) -> None:
        """Let the thread go, which has nothing to do."""
        self._thread.shutdown(wait=True)
