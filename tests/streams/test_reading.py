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


def fetch(*offsets: int, partition: int = 0, topic: str = "t") -> Fetched:
    """A fetch of one partition."""
    rows = [ConsumerRecord(topic, partition, at, 0, 0, None, b"x", None, 0, 1, ()) for at in offsets]
    return {TopicPartition(topic, partition): rows}


def read(records: Sequence[Record]) -> list[Read]:
    return [Read(one.place, one.offset, one.timestamp, Parked("", "", one.origin, b"", None)) for one in records]


@asynccontextmanager
async def running(how: Callable[[Sequence[Record]], list[Read]], lanes: int = 1) -> AsyncIterator[tuple[Reading, "asyncio.Queue[Fetched]"]]:
    """A reading at work, and the queue it reads."""
    reading, queue = Reading(how, BATCH, lanes), asyncio.Queue[Fetched]()
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


async def test_partitions_of_one_number_go_by_one_lane_in_order() -> None:
    """Given fetches of several partitions of two topics, then each lane has those of its numbers, of all topics, in the order they came."""
    async with running(read, lanes=2) as (reading, queue):
        queue.put_nowait({**fetch(0, partition=0), **fetch(0, partition=1), **fetch(0, partition=2, topic="u")})
        queue.put_nowait({**fetch(0, partition=1, topic="u"), **fetch(1, partition=0)})
        ways = [list[tuple[str, int, int]](), list[tuple[str, int, int]]()]
        for lane, number in ((0, 3), (1, 2)):
            while len(ways[lane]) < number:
                ways[lane] += [(one.place.topic, one.place.partition, one.offset) for one in await reading.taken(60, lane)]
        assert ways == [[("t", 0, 0), ("u", 2, 0), ("t", 0, 1)], [("t", 1, 0), ("u", 1, 0)]]


async def test_a_lane_that_nobody_takes_from_holds_reading_up() -> None:
    """Given a lane whose batch waits, then no more is read, and what the other lane has waits for it without loss."""
    async with running(read, lanes=2) as (reading, queue):
        for low in range(0, 20, 2):
            queue.put_nowait({**fetch(low, low + 1, partition=0), **fetch(low, partition=1)})
        while queue.qsize() > 8:  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0.01)
        assert offsets(await reading.taken(60, 1)) == [0, 2]
        assert await reading.taken(0.1, 1) == []
        found, other = list[int](), [0, 2]
        while len(found) < 20:
            found += offsets(await reading.taken(60, 0))
            other += offsets(await reading.taken(0.01, 1))
        other += offsets(await reading.taken(0.01, 1))
        assert (found, other) == (list(range(20)), list(range(0, 20, 2)))


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
