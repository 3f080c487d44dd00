"""The one writer: what waits is taken into the ledger in shared transactions, off the event loop, and then decided.

A caller hears when its events are committed. Deciding follows at once; where more waits to be taken in, the two take turns, so that neither
a long queue of decisions keeps callers waiting nor a stream of callers the decisions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Final, NamedTuple, TypeVar

from opentelemetry import trace

from ledger import Ledger, LedgerError
from ledger.arrivals import Arrival, Fate, Parked
from streams.http.limits import Limits
from streams.http.logs import kind_of, log
from streams.http.metrics import Metrics
from streams.http.problems import FAULT, Problem, busy

T = TypeVar("T")
TURN_SECONDS: Final = 0.02
"""The shortest turn of deciding while more waits to be taken in; else it is half the time the last batch took."""
RETRY_SECONDS: Final = 1.0
FIRST_PORTION: Final = 25
_tracer: Final = trace.get_tracer("caremonth.http")


class Job(NamedTuple):
    """The events of one request, and who waits for what becomes of them."""

    events: Sequence[Arrival | Parked]
    answer: asyncio.Future[list[Fate]]
    context: trace.SpanContext


class Writer:
    """Takes jobs in and decides, one step at a time; its state belongs to the event loop, only the ledger's work runs in its thread."""

    def __init__(self, ledger: Ledger, limits: Limits, metrics: Metrics, grown: Callable[[], None]) -> None:
        self.ledger = ledger
        self.limits = limits
        self.metrics = metrics
        self.grown = grown
        self.queued_events = 0
        self.behind_since: float | None = None
        self.trouble = False
        self._jobs: deque[Job] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._thread = ThreadPoolExecutor(1, "caremonth-writer")
        self._wake = asyncio.Event()
        self._stop_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; what an earlier run left undecided is decided first."""
        self.behind_since = monotonic()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Take no more, finish what was taken, and decide it as far as the time for stopping lasts; the rest waits in the ledger."""
        self._stop_at = monotonic() + self.limits.stop_seconds
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    @property
    def alive(self) -> bool:
        """Whether it works: began, and has not ended."""
        return self._task is not None and not self._task.done()

    def full(self, events: int = 1) -> bool:
        """Whether so many more may not wait. A request that is alone is never too large."""
        return bool(self._jobs) and self.queued_events + events > self.limits.queue_events

    def lag(self) -> float:
        """Seconds since something was taken in that is not decided."""
        return 0.0 if self.behind_since is None else monotonic() - self.behind_since

    async def take(self, events: Sequence[Arrival | Parked]) -> list[Fate]:
        """What became of the events, once it is committed. Problem 503 where the queue is full or the ledger refuses."""
        if self._stop_at is not None or not self.alive:
            raise busy("The server is being stopped; nothing of this request was taken, send it again.")
        if self.full(len(events)):
            self.metrics.refused.inc()
            raise busy("Too much waits to be taken in; nothing of this request was taken, send it again after the time in Retry-After.")
        job = Job(events, asyncio.get_running_loop().create_future(), trace.get_current_span().get_span_context())
        self._jobs.append(job)
        self._count(len(events))
        self._wake.set()
        return await job.answer

    async def decided(self) -> bool:
        """Wait until what was taken in before is decided; False where that takes longer than a read may wait."""
        if self.behind_since is None:
            return True
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        self._wake.set()
        try:
            async with asyncio.timeout(self.limits.undecided_seconds):
                await done
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(done)
        return True

    def _count(self, events: int) -> None:
        self.queued_events += events
        self.metrics.queue_events.set(self.queued_events)

    async def _run(self) -> None:
        spent = 0.0
        while self._stop_at is None or self._jobs or self._may_decide():
            if self._jobs:
                start = monotonic()
                await self._batch()
                spent = monotonic() - start
            if self.behind_since is not None:
                await self._decide(monotonic() + max(spent / 2, TURN_SECONDS))
            elif not self._jobs and self._stop_at is None:
                self._wake.clear()
                await self._wake.wait()

    def _may_decide(self) -> bool:
        return self.behind_since is not None and not self.trouble and self._stop_at is not None and monotonic() < self._stop_at

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _batch(self) -> None:
        """Take in what waits, up to about a batch; where it fails by a fault of the program, each request by itself."""
        jobs, events = list[Job](), 0
        while self._jobs and (not jobs or events + len(self._jobs[0].events) <= self.limits.batch):
            jobs.append(self._jobs.popleft())
            events += len(jobs[-1].events)
        try:
            await self._take(jobs)
        except LedgerError:
            self._refuse(jobs, busy("The ledger cannot be written just now; send the request again, what was taken already has no effect."))
        except Exception as error:  # noqa: BLE001 one request's fault must not be the others'
            log.error("batch failed", requests=len(jobs), **kind_of(error))
            await self._one_by_one(jobs)
        self._count(-events)

    async def _one_by_one(self, jobs: Sequence[Job]) -> None:
        for job in jobs if len(jobs) > 1 else ():
            with suppress(Exception):
                await self._take([job])
        self._refuse(jobs, FAULT)

    def _refuse(self, jobs: Sequence[Job], problem: Problem) -> None:
        waiting = [job for job in jobs if not job.answer.done()]
        if waiting:
            self.metrics.troubles.labels("taking").inc()
        for job in waiting:
            job.answer.set_exception(problem)

    async def _take(self, jobs: Sequence[Job]) -> None:
        events = [event for job in jobs for event in job.events]
        start = monotonic()
        with _tracer.start_as_current_span(
            "take batch", links=[trace.Link(job.context) for job in jobs], attributes={"events": len(events)}
        ):
            fates = await self._in_thread(lambda: self.ledger.take(events))
        self.metrics.batch(fates, monotonic() - start)
        self.behind_since = start if self.behind_since is None else self.behind_since
        told = iter(fates)
        for job in jobs:
            mine = [next(told) for _ in job.events]
            if not job.answer.done():
                job.answer.set_result(mine)

    async def _decide(self, until: float) -> None:
        """Decide portion by portion: to the end where nothing waits to be taken in or somebody waits to read, else for one turn.

        Portions begin small, since the next request of a caller who waits for each answer is on its way, and grow while none comes.
        """
        size = FIRST_PORTION
        while self.behind_since is not None and (self._stop_at is None or self._may_decide()):
            await self._portion(min(size, self.limits.portion))
            size *= 2
            if self._jobs and (self.trouble or not self._waiting) and monotonic() > until:
                return

    async def _portion(self, size: int) -> None:
        start = monotonic()
        try:
            decided = await self._in_thread(lambda: self.ledger.settle_some(size))
        except Exception as error:  # noqa: BLE001 taking events in goes on; deciding is tried again
            self.trouble = True
            self.metrics.troubles.labels("deciding").inc()
            log.error("deciding failed", **kind_of(error))
            await self._pause()
            return
        self.trouble = False
        if decided:
            self.metrics.decide_seconds.observe(monotonic() - start)
            self.grown()
        else:
            self._all_decided()

    async def _pause(self) -> None:
        """Wait a little before the next try, unless something else is to be done."""
        if not self._jobs and self._stop_at is None:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._wake.wait()

    def _all_decided(self) -> None:
        self.behind_since = None
        for done in self._waiting:
            if not done.done():
                done.set_result(None)
