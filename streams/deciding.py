"""Deciding beside taking: what the events made due is decided by threads, and over connections, of its own.

While a worker catches up it counts work and not time: each round decides a patient-month once, whatever number of events it got, so
that a backlog is decided in few rounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Final

from ledger import Ledger
from streams.hands import Hand
from streams.memory import give_back
from streams.metrics import Metrics
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog

PAUSE: Final = 0.05
"""Seconds between two looks for what is due of patients whose events come by other batches."""
PORTION: Final = 200
"""Patient-months a transaction: whoever takes events of one of these patients waits for it."""
SPLIT: Final = 10_000
"""So many records make a round worth being decided in halves beside each other: one computes while the other waits for the database."""
AHEAD: Final = 2
"""So many times the events of a round may be taken and not decided; then taking waits."""


class Deciding:
    """Decides in rounds: when the end of the streams is reached, when enough was taken, or when it has waited for long."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, metrics: Metrics, watchdog: Watchdog) -> None:
        self.settings = settings
        self.hands = [Hand(f"deciding-{number}", ledger.beside()) for number in range(2)]
        self.metrics = metrics
        self.watchdog = watchdog
        self.undecided = 0
        self.since: float | None = None
        self._wanted = asyncio.Event()
        self._done = asyncio.Event()

    def took(self, records: int, *, caught_up: bool) -> None:
        """So many were taken; a round begins where that is enough, or nothing more waits."""
        self.undecided += records
        if records and self.since is None:
            self.since = monotonic()
        if caught_up or self.undecided >= self.settings.settle_after or self._is_old():
            self._wanted.set()

    def _is_old(self) -> bool:
        return self.since is not None and monotonic() - self.since >= self.settings.settle_within

    async def room(self) -> None:
        """Wait while far more was taken than decided."""
        while self.undecided >= AHEAD * self.settings.settle_after:
            self._done.clear()
            await self._done.wait()

    async def run(self) -> None:
        """Decide whenever it is time, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            before, self.since = self.undecided, None
            if not await self._round(before):
                await asyncio.sleep(PAUSE)
            elif before > 0:
                await self.hands[0].do(give_back)
            self.undecided -= before
            self._done.set()

    async def _round(self, records: int) -> bool:
        """Whether anything was decided."""
        first = self.hands[0]
        if records < SPLIT or not first.tool.takes_several:
            return await self._through(first, first.tool.settle_round(PORTION, sure=records > 0))
        self.watchdog.busy(first.part)
        pages = zip(self.hands, await first.do(first.tool.halves), strict=False)
        halves = [asyncio.create_task(self._through(hand, hand.tool.settle_round(PORTION, page=page))) for hand, page in pages]
        try:
            return any(await asyncio.gather(*halves))
        finally:
            for half in halves:
                half.cancel()

    async def _through(self, hand: Hand[Ledger], portions: Iterator[bool]) -> bool:
        any_decided = False
        while True:
            self.watchdog.busy(hand.part)
            with self.metrics.decide_seconds.time():
                decided = await hand.do(lambda: next(portions, None))
            self.metrics.moved()
            if decided is None:
                self.watchdog.idle(hand.part)
                return any_decided
            any_decided |= decided

    async def stop(self) -> None:
        """Let the running transactions end."""
        for hand in self.hands:
            await hand.stop()
