"""Reading ahead of taking: each record once, in order, and no more than about a batch ahead."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from threading import Event as Signal
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from ledger.arrivals import Parked
from streams.faust_app import Fetched, _behind
from streams.reading import Reading
from streams.records import Read, Record
from tests.servers import Kafka

BATCH = 4


def fetch(*offsets: int) -> Fetched:
    """A fetch of one partition."""
    rows = [ConsumerRecord("t", 0, at, 0, 0, None, b"x", None, 0, 1, ()) for at in offsets]
    return {TopicPartition("t", 0): rows}


def read(records: Sequence[Record]) -> list[Read]:
    return [Read(one.place, one.offset, one.timestamp, Parked("", "", one.origin, b"", None)) for one in records]


@asynccontextmanager
async def running(how: Callable[[Sequence[Record]], list[Read]]) -> AsyncIterator[tuple[Reading, "asyncio.Queue[Fetched]"]]:
    """A reading at work, and the queue it reads."""
    reading, queue = Reading(how, BATCH), asyncio.Queue[Fetched]()
    task = asyncio.create_task(reading.run(queue))
    try:
        yield reading, queue
    finally:
        task.cancel()
        reading.thread.shutdown()


def offsets(found: list[Read]) -> list[int]:
    return [one.offset for one in found]


async def test_what_comes_while_others_are_taken_is_given_once() -> None:
    """Given a fetch that is being read while what was read before is taken, then neither is given twice and none is missing."""
    reads, go = Signal(), Signal()

    def slowly(records: Sequence[Record]) -> list[Read]:
        if records[0].offset:
            reads.set()
            assert go.wait(60)
        return read(records)

    async with running(slowly) as (reading, queue):
        queue.put_nowait(fetch(0, 1))
        queue.put_nowait(fetch(2, 3))
        assert await asyncio.to_thread(reads.wait, 60)
        first = await reading.taken(60)
        go.set()
        second = await reading.taken(60)
        assert (offsets(first), offsets(second)) == ([0, 1], [2, 3])


async def test_no_more_is_read_than_a_batch_ahead() -> None:
    """Given many fetches that nobody takes, then about a batch is read; the rest follows in order as it is taken."""
    async with running(read) as (reading, queue):
        for low in range(0, 20, 2):
            queue.put_nowait(fetch(low, low + 1))
        while queue.qsize() > 8:  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert queue.qsize() == 8
        found = list[int]()
        while len(found) < 20:
            part = offsets(await reading.taken(60))
            assert len(part) <= BATCH + 1
            found += part
        assert found == list(range(20))


async def test_nothing_comes_back_after_a_while_without_anything() -> None:
    async with running(read) as (reading, _):
        assert await reading.taken(0.01) == []


async def test_how_far_a_consumer_is_behind_is_what_the_broker_has_beyond_what_was_handed_over(kafka_server: Kafka, prefix: str) -> None:
    topic = f"{prefix}behind"
    kafka_server.create_topics({topic: 2})
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, acks="all") as producer:
        for number in range(6):
            await producer.send_and_wait(topic, b"x", partition=number % 2)
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka_server.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    async with consumer:
        assert _behind(consumer) == 0
        consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
        told = list[int]()
        while len(told) < 6:
            told += [6 - len(told) - _behind(consumer) for _ in (await consumer.getmany(timeout_ms=500, max_records=1)).values()]
        assert told == [1] * 6
