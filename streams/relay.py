"""The relay: decisions and dead letters out of the ledger to the broker, in order, marked when the broker has acknowledged them.

A crash between the two repeats messages with the same id and the same bytes. What was sent is marked beside the sending of what comes next.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer

from ledger import Claim, FencedError, Ledger
from ledger.news import News
from streams.codec import Message, dead_letter, decision
from streams.hands import Hand
from streams.metrics import Metrics
from streams.records import Place
from streams.settings import Broker
from streams.topics import LARGEST_BATCH, Layout

PORTION: Final = 2_000
WRITER: Final = "relay"
PAUSE: Final = 1.0
"""Seconds to wait after a refusal, and the longest to wait for news of the ledger."""
MARK_WITHIN: Final = 0.25
"""Seconds within which what was sent is marked while more comes; before, the next is sent first. A crash repeats so much at most."""
QUIET: Final = 0.05
"""Seconds without news of the ledger after which it is marked at once."""
LOOK_WITHIN: Final = 0.25
"""Seconds between two looks for dead letters, of which nobody tells."""

DECISIONS: Final = Place("outbox.decisions", 0)
LETTERS: Final = Place("outbox.dead-letters", 0)


class Waiting(NamedTuple):
    """What waits to be sent: its number in the ledger, and the message; None for what stays in the ledger."""

    number: int
    message: Message | None


Source = Callable[[int, int], Sequence[Waiting]]
"""What stands after a number, at most so many, in order."""


def sources(ledger: Ledger, layout: Layout) -> dict[Place, Source]:
    """Decisions and dead letters of a ledger, as messages."""

    def decisions(after: int, limit: int) -> list[Waiting]:
        return [Waiting(number, decision(number, raw, layout)) for number, raw in ledger.outbox(after, limit)]

    def letters(after: int, limit: int) -> list[Waiting]:
        return [Waiting(number, dead_letter(parked, layout)) for number, parked in ledger.letters(after, limit)]

    return {DECISIONS: decisions, LETTERS: letters}


class Relay:
    """Sends what the ledger has to say. One at a time does; a second one is fenced and waits."""

    def __init__(self, broker: Broker, ledger: Ledger, sources: dict[Place, Source], metrics: Metrics) -> None:
        self.broker = broker
        self.sources = sources
        self.metrics = metrics
        self.log = structlog.get_logger("relay")
        self.looking = Hand("looking", ledger)
        self.marking = Hand("marking", ledger.beside())
        self.news = News(ledger.engine)
        self.sent: dict[Place, int] = {}
        self.marked: dict[Place, int] = {}
        self.sent_since: dict[Place, float] = {}
        self.letters_at = 0.0
        self._marks: Task[Place | None] | None = None
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Relay until stopped."""
        producer = AIOKafkaProducer(
            **self.broker.options(),
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=262_144,
            max_request_size=LARGEST_BATCH,
        )
        try:
            await producer.start()
            self.metrics.caught_up()
            while not self.stopping.is_set():
                more = await self.relay_some(producer)
                self.metrics.moved()
                await self._mark_beside()
                if not more:
                    self.metrics.caught_up()
                    if not await self.looking.do(self.news.wait, QUIET if self._unmarked() else PAUSE):
                        await self._mark_all()
            await self._mark_all()
        finally:
            await producer.stop()
            self.news.close()
            await self.looking.stop()
            await self.marking.stop()

    async def relay_some(self, producer: AIOKafkaProducer) -> bool:
        """One portion of each source where there may be something; whether more waits."""
        more = False
        for place, source in self.sources.items():
            if place == LETTERS and monotonic() - self.letters_at < LOOK_WITHIN:
                continue
            if place not in self.sent:
                stored = await self.looking.do(self.looking.tool.positions, [place.topic])
                self.sent[place] = self.marked[place] = stored.get((place.topic, place.partition), 0)
            messages = await self.looking.do(source, self.sent[place], PORTION)
            if messages:
                await self._send(producer, messages)
                self.sent[place] = messages[-1].number
                self.sent_since.setdefault(place, monotonic())
            full = len(messages) == PORTION
            more |= full
            if place == LETTERS and not full:
                self.letters_at = monotonic()
        return more

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Waiting]) -> None:
        """Hand over in order and wait for all acknowledgements; a refusal is raised and all are sent again."""
        waiting: list[Awaitable[Any]] = []
        for topic, key, value, headers in (one.message for one in messages if one.message is not None):
            waiting.append(await producer.send(topic, value, key, headers=list(headers)))
            self.metrics.relayed.labels(topic).inc()
        await asyncio.gather(*waiting)

    def _unmarked(self) -> list[Place]:
        return [place for place, sent in self.sent.items() if sent > self.marked[place]]

    async def _mark_beside(self) -> None:
        """Have what was sent a while ago marked while the next is sent; one mark at a time."""
        if self._marks is not None and not self._marks.done():
            return
        await self._mark_made()
        first = min(self.sent_since, key=self.sent_since.__getitem__, default=None)
        if first is not None and monotonic() - self.sent_since[first] > MARK_WITHIN:
            self._marks = asyncio.create_task(self._mark(first))

    async def _mark_all(self) -> None:
        await self._mark_made()
        for place in self._unmarked():
            self._marks = asyncio.create_task(self._mark(place))
            await self._mark_made()

    async def _mark_made(self) -> None:
        """Wait for the mark that is under way, if any; where another relay was ahead, longer, and go on from where that one is."""
        fenced = await self._marks if self._marks is not None else None
        self._marks = None
        if fenced is not None:
            self.sent.pop(fenced)
            self.sent_since.pop(fenced, None)
            await asyncio.sleep(PAUSE)

    async def _mark(self, place: Place) -> Place | None:
        """Mark what was sent by now; returns the place where another relay has been."""
        sent = self.sent[place]
        self.sent_since.pop(place, None)
        claim = Claim({(place.topic, place.partition): (self.marked[place], sent)}, WRITER)
        try:
            await self.marking.do(self.marking.tool.take, [], claim)
        except FencedError:
            self.metrics.fenced.inc()
            self.log.warning("fenced", source=place.topic)
            return place
        self.marked[place] = sent
        self.metrics.sent.labels(place.topic).set(sent)
        return None
