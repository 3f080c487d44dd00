"""Deciding beside taking: what the events made due is decided by a thread, and over a connection, of its own.

While a worker catches up it counts work and not time: each round decides a patient-month once, whatever number of events it got, so
that a backlog is decided in few rounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

from ledger import Ledger
from streams.memory import give_back
from streams.metrics import Metrics
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog

T = TypeVar("T")
PART: Final = "deciding"
PAUSE: Final = 0.05
"""Seconds between two looks for what is due of patients whose events come by other batches."""
PORTION: Final = 500
"""Patient-months a transaction: whoever takes events of one of these patients waits for it."""
AHEAD: Final = 2
"""So many times the events of a round may be taken and not decided; then taking waits."""


class Deciding:
    """Decides in rounds: when the end of the streams is reached, when enough was taken, or when it has waited for long."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, metrics: Metrics, watchdog: Watchdog) -> None:
        self.settings = settings
        self.ledger = ledger
        self.metrics = metrics
        self.watchdog = watchdog
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="deciding")
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
            if not await self._round(sure=before > 0):
                await asyncio.sleep(PAUSE)
            elif before > 0:
                await self._off_loop(give_back)
            self.undecided -= before
            self._done.set()

    async def _round(self, *, sure: bool) -> bool:
        """Whether anything was decided."""
        portions = self.ledger.settle_round(PORTION, sure=sure)
        any_decided = False
        while True:
            self.watchdog.busy(PART)
            with self.metrics.decide_seconds.time():
                decided = await self._off_loop(lambda: next(portions, None))
            self.metrics.moved()
            if decided is None:
                self.watchdog.idle(PART)
                return any_decided
            any_decided |= decided

    async def _off_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    async def stop(self) -> None:
        """Let the running transaction end."""
        await self._off_loop(lambda: None)
        self.thread.shutdown(wait=True)
