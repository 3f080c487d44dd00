"""Reading ahead of taking: each record once, in order, and no more than about a batch ahead."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from threading import Event as Signal
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from domain.rulebook_vocabulary import vocabulary
from ledger.arrivals import Parked
from ledger.rule_files import PACKAGED, load_rulebook
from streams.codec import receive
from streams.faust_app import Fetched, _behind
from streams.lanes import Lanes
from streams.reading import Reading
from streams.records import Place, Read, Record
from tests.http.care import entry
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
        await reading.hand.stop()


def offsets(found: list[Read]) -> list[int]:
    return [one.offset for one in found]


async def taken(reading: Reading, patience: float, *, together: bool = False) -> list[Read]:
    """What one hand takes and is done with."""
    async with reading.lanes.taken(patience, lambda: together) as found:
        return found


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
        first = await taken(reading, 60)
        go.set()
        second = await taken(reading, 60)
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
            part = offsets(await taken(reading, 60))
            assert len(part) <= BATCH + 1
            found += part
        assert found == list(range(20))


def places(found: list[Read]) -> list[tuple[str, int, int]]:
    return [(one.place.topic, one.place.partition, one.offset) for one in found]


async def both(reading: Reading, number: int) -> None:
    """Wait until so many records are in each of two lanes."""
    while [len(ready) for ready in reading.lanes._ready] != [number, number]:  # noqa: ASYNC110 - the lanes tell whoever takes
        await asyncio.sleep(0.01)


async def test_partitions_of_one_number_go_by_one_lane_in_order() -> None:
    """Given partitions of two topics, then two hands have the even and the odd numbers of all topics, in the order they came."""
    async with running(read, lanes=2) as (reading, queue):
        queue.put_nowait({**fetch(0, partition=0), **fetch(0, partition=1), **fetch(0, partition=2, topic="u")})
        queue.put_nowait({**fetch(0, 1, partition=1, topic="u"), **fetch(1, partition=0)})
        await both(reading, 3)
        async with reading.lanes.taken(60, lambda: False) as one, reading.lanes.taken(60, lambda: False) as other:
            assert places(one) == [("t", 0, 0), ("u", 2, 0), ("t", 0, 1)]
            assert places(other) == [("t", 1, 0), ("u", 1, 0), ("u", 1, 1)]


async def test_a_lane_is_in_one_hand_at_a_time() -> None:
    """Given a hand that has not done with a lane, then what comes in it waits, and another hand gets the other lane alone."""
    async with running(read, lanes=2) as (reading, queue):
        queue.put_nowait(fetch(0, partition=0))
        async with reading.lanes.taken(60, lambda: False) as one:
            assert places(one) == [("t", 0, 0)]
            queue.put_nowait({**fetch(1, partition=0), **fetch(0, partition=1)})
            await both(reading, 1)
            async with reading.lanes.taken(60, lambda: True) as other:
                assert places(other) == [("t", 1, 0)]
                assert await taken(reading, 0.01, together=True) == []
        assert places(await taken(reading, 60)) == [("t", 0, 1)]


async def test_lanes_taken_together_are_one_hand_s_also_where_nothing_waits_in_them() -> None:
    async with running(read, lanes=2) as (reading, queue):
        queue.put_nowait(fetch(0, partition=0))
        async with reading.lanes.taken(60, lambda: True) as one:
            assert places(one) == [("t", 0, 0)]
            queue.put_nowait(fetch(0, partition=1))
            assert await taken(reading, 0.05) == []
        assert places(await taken(reading, 60)) == [("t", 1, 0)]


async def test_a_hand_that_fails_lets_its_lane_go() -> None:
    async with running(read, lanes=2) as (reading, queue):
        queue.put_nowait(fetch(0, partition=0))
        with pytest.raises(RuntimeError):
            async with reading.lanes.taken(60, lambda: False):
                raise RuntimeError
        queue.put_nowait(fetch(1, partition=0))
        assert places(await taken(reading, 60)) == [("t", 0, 1)]


async def test_a_lane_that_nobody_takes_from_holds_reading_up() -> None:
    """Given a lane whose batch waits in vain, then no more is read; it all comes, once and in order, when it is taken again."""
    async with running(read, lanes=2) as (reading, queue):
        for low in range(0, 20, 2):
            queue.put_nowait({**fetch(low, low + 1, partition=0), **fetch(low, partition=1)})
        while queue.qsize() > 8:  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert queue.qsize() == 8
        found = list[tuple[str, int, int]]()
        while len(found) < 30:
            found += places(await taken(reading, 60))
        assert [one for one in found if one[1] == 0] == [("t", 0, at) for at in range(20)]
        assert [one for one in found if one[1] == 1] == [("t", 1, at) for at in range(0, 20, 2)]


async def test_nothing_comes_back_after_a_while_without_anything() -> None:
    async with running(read) as (reading, _):
        assert await taken(reading, 0.01) == []


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


def calls(partition: int, patients: Sequence[int]) -> list[Read]:
    """Records of a partition, each of a patient."""
    events = [entry(f"e-{at}", f"P-{who}", "2026-03-02T10:00:00Z", "2026-03-02T10:01:00Z") for at, who in enumerate(patients)]
    keys = [f"acme/P-{who}".encode() for who in patients]
    records = [Record(Place("t", partition), at, keys[at], orjson.dumps(event), (), 0) for at, event in enumerate(events)]
    words = vocabulary(load_rulebook(PACKAGED))
    return [Read(one.place, one.offset, 0, receive(one, words)) for one in records]


async def test_a_batch_is_of_so_many_patients_and_the_rest_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a lane with more patients than a batch may have, then it ends before the first one too many, and nothing changes places."""
    monkeypatch.setattr("streams.lanes.PATIENTS", 2)
    lanes = Lanes(1)
    lanes.add(calls(0, [1, 2, 1, 3, 1, 4]))
    batches = []
    while lanes.longest():
        async with lanes.taken(60, lambda: True) as some:
            batches.append([record.offset for record in some])
    assert batches == [[0, 1, 2], [3, 4], [5]]
