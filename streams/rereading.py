"""Offsets that were passed over are read again from the broker before anything behind them is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from streams import lenient
from streams.records import Gap, Place, Record
from streams.settings import Broker

PATIENCE: Final = 30.0
"""Seconds to wait for what is known to be there."""
PAUSE: Final = 0.5
"""Seconds until a broker that is away is asked again."""
POLL: Final = 500
"""Milliseconds to wait for one answer."""


class ExpiredError(RuntimeError):
    """Records that were never taken are gone from the broker. Nothing behind them is taken until an operator decides."""

    def __init__(self, gap: Gap, beginning: int) -> None:
        self.gap = gap
        self.beginning = beginning
        topic, partition = gap.place
        super().__init__(
            f"{topic}/{partition}: the ledger has taken everything before offset {gap.first}, but the broker begins at {beginning}: "
            f"{beginning - gap.first} records expired unread. Restore them, or accept the loss with "
            f"`caremonth positions accept-loss {topic} {partition} {beginning} --by WHO --reason WHY`"
        )


class ShrunkError(RuntimeError):
    """A partition ends before the ledger's position: it was made anew, or lost what it had. What comes would be held for taken already."""

    def __init__(self, place: Place, position: int, end: int) -> None:
        super().__init__(
            f"{place.topic}/{place.partition}: the ledger has taken everything before offset {position}, but the broker ends at {end}: "
            "the topic was made anew or has lost records. Restore it; or create the topics under another prefix, and send its events there"
        )


async def require_reachable(broker: Broker, positions: Mapping[Place, int]) -> None:
    """Raise ExpiredError where a partition begins behind its position, though nothing may ever come there, and ShrunkError where it ends
    before it."""
    async with committed_reader(broker) as consumer:
        places = {place: TopicPartition(*place) for place in sorted(positions)}
        beginnings, ends = await consumer.beginning_offsets(places.values()), await consumer.end_offsets(places.values())
    for place, at in places.items():
        if beginnings[at] > positions[place]:
            raise ExpiredError(Gap(place, positions[place], beginnings[at]), beginnings[at])
        if ends[at] < positions[place]:
            raise ShrunkError(place, positions[place], ends[at])


async def reread_when_there(broker: Broker, gaps: list[Gap], waiting: Callable[[], object]) -> list[Record]:
    """The same as `reread`, when the broker is there again; `waiting` is told each time that it was not."""
    while True:
        try:
            return await reread(broker, gaps)
        except KafkaError as error:
            if not error.retriable:
                raise
            structlog.get_logger("worker").warning("not_read_again", gaps=len(gaps), error=type(error).__name__)
        waiting()
        await asyncio.sleep(PAUSE)


async def reread(broker: Broker, gaps: list[Gap]) -> list[Record]:
    """The records that stand in the gaps. Fewer than offsets where a transaction's markers or compaction took places.

    Raises ExpiredError, and TimeoutError where the broker does not hand them over.
    """
    found: list[Record] = []
    async with committed_reader(broker) as consumer:
        for gap in gaps:
            place = TopicPartition(*gap.place)
            beginning = (await consumer.beginning_offsets([place]))[place]
            if beginning > gap.first:
                raise ExpiredError(gap, beginning)
            found += [record async for records in stretch(consumer, *gap) for record in records]
    return found


async def stretch(consumer: AIOKafkaConsumer, place: Place, first: int, after: int) -> AsyncIterator[list[Record]]:
    """What stands at offsets `[first, after)` of a partition, fetch by fetch; raises TimeoutError where the broker falls silent."""
    at = TopicPartition(*place)
    consumer.assign([at])
    consumer.seek(at, first)
    position, until = first, monotonic() + PATIENCE
    while position < after:
        # Where nothing but markers of transactions is left, no row comes; only the position moves.
        rows = (await consumer.getmany(at, timeout_ms=POLL)).get(at, [])
        reached = await consumer.position(at)
        if reached > position:
            position, until = reached, monotonic() + PATIENCE
        elif monotonic() > until:
            raise TimeoutError(f"{place.topic}/{place.partition}: offsets {position} to {after} could not be read within {PATIENCE:.0f} s")
        yield [_record(place, row) for row in rows if row.offset < after]


def _record(place: Place, row: ConsumerRecord) -> Record:
    return Record(place, row.offset, row.key, row.value, tuple(row.headers), row.timestamp)


@asynccontextmanager
async def committed_reader(broker: Broker) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer outside any group for the length of the block: of committed records only, whatever the names of their headers."""
    lenient.install()
    consumer = AIOKafkaConsumer(**broker.options(), enable_auto_commit=False, isolation_level="read_committed")
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()  # also where no broker answered: the client has begun by then
