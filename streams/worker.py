"""The worker: what Faust fetched goes to the ledger in micro-batches, off the event loop, and is then committed."""

from __future__ import annotations

import asyncio
from asyncio import Queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar

import faust
import structlog

from ledger import Ledger
from ledger.ledger import Fenced
from streams.faust_app import build, commit, record_of
from streams.intake import Intake
from streams.metrics import Metrics
from streams.records import Place, Record
from streams.rereading import reread
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog

T = TypeVar("T")
IDLE = 0.5
"""Seconds after which a worker with nothing to read looks for decisions that others left due."""


class Worker:
    """One process's share of the partitions."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, topics: Iterable[str], metrics: Metrics, watchdog: Watchdog) -> None:
        self.settings = settings
        self.ledger = ledger
        self.intake = Intake(ledger)
        self.metrics = metrics
        self.watchdog = watchdog
        self.log = structlog.get_logger("worker")
        self.app: faust.App = build(settings, topics, self.run)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self.settled_at = monotonic()
        self.committed_at = monotonic()
        self.unsettled = False

    async def run(self, queue: Queue[Any]) -> None:
        """Take what arrives, for ever; ends when its task is cancelled."""
        while True:
            records = await self._collect(queue)
            self.watchdog.busy()
            if records:
                await self._take(records)
            await self._settle(queue)
            await self._commit()
            self.watchdog.idle()

    async def _collect(self, queue: Queue[Any]) -> list[Record]:
        """All that waits, up to a batch; an empty list after a while without anything."""
        try:
            first = await asyncio.wait_for(queue.get(), IDLE)
        except TimeoutError:
            return []
        records = [record_of(first)]
        while len(records) < self.settings.batch and not queue.empty():
            records.append(record_of(queue.get_nowait()))
        return records

    async def _take(self, records: list[Record]) -> None:
        missing = await self._off_loop(self.intake.missing, records)
        if missing:
            again = await reread(self.settings.broker, missing)
            self.log.warning("read_again", gaps=len(missing), records=len(again))
            records = [*records, *again]
        try:
            with self.metrics.batch(len(records)):
                summary = await self._off_loop(self.intake.take, records)
        except Fenced:
            await self._fenced(records)
            return
        self.unsettled = True
        self.metrics.took(summary, records)

    async def _fenced(self, records: list[Record]) -> None:
        """Another writer is ahead. What is ours still, and not taken there, is taken from where the ledger stands now."""
        self.metrics.fenced.inc()
        self.log.warning("fenced", records=len(records))
        mine = {Place(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
        left = [record for record in records if record.place in mine]
        if left:
            await self._take(left)

    async def _settle(self, queue: Queue[Any]) -> None:
        """Decide what is due: at once where nothing waits, else when `settle_within` is over."""
        late = monotonic() - self.settled_at >= self.settings.settle_within
        if not queue.empty() and not late:
            return
        if await self._off_loop(self._settle_portions):
            self.unsettled = False
        self.settled_at = monotonic()

    def _settle_portions(self) -> bool:
        while self.ledger.settle_some():
            self.watchdog.busy()
        return True

    async def _commit(self) -> None:
        if monotonic() - self.committed_at >= self.settings.commit_every:
            self.committed_at = monotonic()
            await commit(self.app, dict(self.intake.positions))

    async def _off_loop(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, call, *arguments)

    def close(self) -> None:
        """Wait for the transaction that is running; it is committed whole or not at all."""
        self.thread.shutdown(wait=True)
