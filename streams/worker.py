"""The worker: what Faust fetched goes to the ledger in micro-batches, off the event loop, and only then is committed.

Three things go on at once, on threads of their own: what comes next is read, what was read is taken, lane beside lane, what was taken is
decided. While one waits for the database another computes. At the end of the streams a batch is decided in the transaction that takes it,
and only what it made due of others is left to do.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio import Future, Queue, Task
from collections.abc import Coroutine, Iterable
from functools import partial
from time import monotonic
from typing import Any, Final

import structlog

from ledger import FencedError, Ledger
from streams.deciding import Deciding
from streams.faust_app import App, Fetched, behind, build, commit, ends, stay_member
from streams.hands import Hand
from streams.intake import GapsError, Intake
from streams.metrics import Metrics
from streams.reading import Reading
from streams.records import Gap, Place, Read
from streams.rereading import reread_when_there
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog

IDLE: Final = 0.25
"""Seconds after which a worker with nothing to read looks for decisions that others left due."""
AT_ONCE: Final = 1_000
"""So many records are decided with their taking when hardly more waits; more would hold the ledger's counters for long. After a backlog
their patients may have much to decide, which goes portion by portion."""
STOPPING: Final = 5.0
"""Seconds a stopping worker gives Faust to leave; what it had taken is committed by then."""
SWITCH: Final = 0.001
"""Seconds after which a thread that computes lets another: one whose answer has come from the database would wait for five otherwise."""


def _hands(settings: WorkerSettings, ledger: Ledger) -> list[Hand[Intake]]:
    name, positions = settings.instance or f"{socket.gethostname()}-{os.getpid()}", dict[Place, int]()
    lanes = settings.lanes if ledger.takes_several else 1
    return [Hand(f"taking-{number}", Intake(ledger.beside(), name, positions)) for number in range(lanes)]


class Worker:
    """One process's share of the partitions."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, topics: Iterable[str], metrics: Metrics, watchdog: Watchdog) -> None:
        self.settings = settings
        self.ledger = ledger
        self.hands = _hands(settings, ledger)
        self.metrics = metrics
        self.watchdog = watchdog
        self.log = structlog.get_logger("worker")
        self.app: App = build(settings, topics, watchdog, self.run)
        self.reading = Reading(self.hands[0].tool.read, settings.batch, len(self.hands))
        self.deciding = Deciding(settings, ledger, metrics, watchdog)
        self.ended: Future[None] = asyncio.get_running_loop().create_future()
        self.committed_at = monotonic()
        self._beside: list[Task[None]] = []
        self._taking: list[Task[None]] = []
        self._committing: Future[None] = self.ended.get_loop().create_future()
        self._committing.set_result(None)
        sys.setswitchinterval(SWITCH)

    async def run(self, fetched: Queue[Fetched]) -> None:
        """Take what arrives until cancelled. A failure ends the process, never the agent alone: Faust would go on past the batch."""
        if not self._beside:
            beside = (self.reading.run(fetched), self.deciding.run(), self._stay_member())
            self._beside = [asyncio.create_task(self._guarded(one)) for one in beside]
        self._taking = [asyncio.create_task(self._guarded(self._take_on(hand))) for hand in self.hands]
        await asyncio.gather(*self._taking)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be taken after it
            self.fail(error)
            await asyncio.Event().wait()

    def fail(self, error: Exception) -> None:
        """End the process for this reason, unless there is one already."""
        if not self.ended.done():
            self.ended.set_exception(error)

    async def _stay_member(self) -> None:
        while True:
            await asyncio.sleep(IDLE)
            stay_member(self.app, self.fail)

    async def _take_on(self, hand: Hand[Intake]) -> None:
        while True:
            async with self.reading.lanes.taken(IDLE, self._caught_up) as records:
                self.watchdog.busy(hand.part)
                caught_up = self._caught_up()
                at_once = caught_up and max(len(records), self.deciding.undecided) <= AT_ONCE
                with self.app.taking(len(records)):
                    await self._take(hand, records, at_once=at_once)
                self.deciding.took(0 if at_once else len(records), caught_up=caught_up)
                if monotonic() - self.committed_at >= self.settings.commit_every and self._committing.done():
                    self.committed_at = monotonic()
                    self._committing = asyncio.create_task(self._guarded(self._commit()))
                self.watchdog.idle(hand.part)
                if records or self.watchdog.is_idle:
                    self.metrics.moved()
            await self.deciding.room()

    def _caught_up(self) -> bool:
        return behind(self.app) < self.settings.batch

    async def _take(self, hand: Hand[Intake], records: list[Read], *, at_once: bool) -> None:
        """Take a batch; where another writer is ahead, what is still ours goes on from where the ledger stands."""
        complete = False
        while records:
            try:
                with self.metrics.batch(len(records)):
                    summary = await hand.do(partial(hand.tool.take, records, at_once=at_once, complete=complete))
            except GapsError as passed:
                records, complete = [*records, *await self._again(hand, passed.gaps)], True
            except FencedError:
                self.metrics.fenced.inc()
                self.log.warning("fenced", records=len(records))
                records, complete = [record for record in records if record.place in self._mine()], False
            else:
                self.metrics.took(summary, records)
                return

    async def _again(self, hand: Hand[Intake], missing: list[Gap]) -> list[Read]:
        """What stands in the gaps, read again from the broker."""
        again = await reread_when_there(self.settings.broker, missing, lambda: self.watchdog.busy(hand.part))
        self.metrics.gaps.inc(len(missing))
        self.log.warning("read_again", gaps=len(missing), records=len(again))
        return await hand.do(hand.tool.read, again)

    def _mine(self) -> set[Place]:
        return {Place(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}

    async def _commit(self) -> None:
        """Tell the broker how far the ledger is, beside the taking: nothing waits for it."""
        mine = self._mine()
        # A batch under way whose turn a rebalance cut short may bring a position back: who takes by it is fenced, and asks.
        intake = self.hands[0].tool
        intake.forget(intake.positions.keys() - mine)
        positions = intake.positions.copy()
        await commit(self.app, positions)
        self.metrics.lags(positions, await ends(self.app, positions))

    async def stop(self) -> None:
        """Let the running transactions end, tell the broker how far the ledger is, leave."""
        for task in (*self._beside, self._committing):
            task.cancel()
        try:
            for hand in self.hands:
                await hand.do(lambda: None)
            await self.deciding.stop()
            async with asyncio.timeout(STOPPING):
                await self._commit()
            async with asyncio.timeout(STOPPING):
                await self.app.stop()
        except TimeoutError:
            self.log.warning("stopped_without_leaving", seconds=STOPPING)
        for task in self._taking:
            task.cancel()
        for hand in self.hands:
            await hand.stop()
