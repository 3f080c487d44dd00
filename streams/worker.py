"""The worker: what Faust fetched goes to the ledger in micro-batches, off the event loop, and only then is committed."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import Future, Queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

import structlog

from ledger import FencedError, Ledger
from streams.faust_app import App, Fetched, build, commit, ends, records_of
from streams.intake import Intake
from streams.metrics import Metrics
from streams.records import Place, Record
from streams.rereading import reread
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog

T = TypeVar("T")
IDLE: Final = 0.25
"""Seconds after which a worker with nothing to read looks for decisions that others left due."""
SHARE: Final = 4
"""So many times as long as deciding took last, a worker with a backlog only takes records in before it decides again."""
STOPPING: Final = 5.0
"""Seconds a stopping worker gives Faust to leave; what it had taken is committed by then."""


class Worker:
    """One process's share of the partitions."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, topics: Iterable[str], metrics: Metrics, watchdog: Watchdog) -> None:
        self.settings = settings
        self.ledger = ledger
        self.intake = Intake(ledger, settings.instance or f"{socket.gethostname()}-{os.getpid()}")
        self.metrics = metrics
        self.watchdog = watchdog
        self.log = structlog.get_logger("worker")
        self.app: App = build(settings, topics, self.run)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self.ended: Future[None] = asyncio.get_running_loop().create_future()
        self.settled_at = self.committed_at = monotonic()
        self.settling = 0.0

    async def run(self, fetched: Queue[Fetched]) -> None:
        """Take what arrives until cancelled. A failure ends the process, never the agent alone: Faust would go on past the batch."""
        try:
            while True:
                await self._turn(fetched)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be taken after it
            self.fail(error)
            await asyncio.Event().wait()

    def fail(self, error: Exception) -> None:
        """End the process for this reason, unless there is one already."""
        if not self.ended.done():
            self.ended.set_exception(error)

    async def _turn(self, fetched: Queue[Fetched]) -> None:
        records = await self._collect(fetched)
        self.watchdog.busy()
        if records:
            await self._take(records)
        if len(records) < self.settings.batch or self._may_settle():
            await self._settle()
        if monotonic() - self.committed_at >= self.settings.commit_every:
            await self._commit()
        self.watchdog.idle()
        self.metrics.moved()

    async def _collect(self, fetched: Queue[Fetched]) -> list[Record]:
        """What waits, about a batch at most; an empty list after a while without anything."""
        try:
            async with asyncio.timeout(IDLE):
                records = list(records_of(await fetched.get()))
        except TimeoutError:
            return []
        while len(records) < self.settings.batch and not fetched.empty():
            records.extend(records_of(fetched.get_nowait()))
        return records

    async def _take(self, records: list[Record]) -> None:
        """Take a batch; where another writer is ahead, what is still ours goes on from where the ledger stands."""
        while records:
            records = await self._whole(records)
            try:
                with self.metrics.batch(len(records)):
                    summary = await self._off_loop(self.intake.take, records)
            except FencedError:
                self.metrics.fenced.inc()
                self.log.warning("fenced", records=len(records))
                records = [record for record in records if record.place in self._mine()]
            else:
                self.metrics.took(summary, records)
                return

    async def _whole(self, records: list[Record]) -> list[Record]:
        """The records with what was passed over before them read again."""
        missing = await self._off_loop(self.intake.missing, records)
        if not missing:
            return records
        again = await reread(self.settings.broker, missing)
        self.metrics.gaps.inc(len(missing))
        self.log.warning("read_again", gaps=len(missing), records=len(again))
        return [*records, *again]

    def _mine(self) -> set[Place]:
        return {Place(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}

    def _may_settle(self) -> bool:
        """Whether a worker with a backlog decides now: deciding is to take a fifth of its time, so that a month in the backlog is decided
        a few times at most, and what is due waits no longer than `settle_within`."""
        return monotonic() - self.settled_at >= min(self.settings.settle_within, SHARE * self.settling)

    async def _settle(self) -> None:
        begun = monotonic()
        await self._off_loop(self._settle_portions)
        self.settled_at = monotonic()
        self.settling = self.settled_at - begun

    def _settle_portions(self) -> None:
        with self.metrics.decide_seconds.time():
            while self.ledger.settle_some():
                self.watchdog.busy()
                self.metrics.moved()

    async def _commit(self) -> None:
        self.committed_at = monotonic()
        mine = self._mine()
        # On the ledger's thread, where a batch may still be under way whose turn a rebalance cut short.
        await self._off_loop(lambda: self.intake.forget(self.intake.positions.keys() - mine))
        positions = dict(self.intake.positions)
        await commit(self.app, positions)
        self.metrics.lags(positions, await ends(self.app, positions))

    async def _off_loop(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, call, *arguments)

    async def stop(self) -> None:
        """Let the running transaction end, tell the broker how far the ledger is, leave."""
        try:
            await self._off_loop(lambda: None)
            async with asyncio.timeout(STOPPING):
                await self._commit()
            async with asyncio.timeout(STOPPING):
                await self.app.stop()
        except TimeoutError:
            self.log.warning("stopped_without_leaving", seconds=STOPPING)
        self.thread.shutdown(wait=True)
