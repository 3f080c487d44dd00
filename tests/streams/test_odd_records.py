"""What a partition may hold beside sound events: each has its outcome, and what stands behind it is taken."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from ledger import Ledger
from streams.codec import STRUCTURED, Message
from tests.http.care import Json, entry, patient, registry
from tests.ledger.writers import Event
from tests.streams.messages import binary
from tests.streams.plant import Plant

KEY = b"acme/P-1"
TIME_LOG = "care.time-log"
STRUCTURED_HEADER = (("content-type", STRUCTURED.encode()),)


def call(number: int, minute: int = 0) -> Event:
    """A made-up call of a minute, an hour after the one before."""
    return entry(
        f"call-{number}", "P-1", f"2026-03-10T{8 + number:02}:{minute:02}:00-06:00", f"2026-03-10T{8 + number:02}:{minute + 1:02}:00-06:00"
    )


def raw(event: Json) -> bytes:
    return json.dumps(event).encode()


def reasons(ledger: Ledger) -> list[str]:
    """Why input was parked, in order."""
    return [letter["reason"] for letter in ledger.dead_letters()]


def accepted(plant: Plant) -> set[str]:
    """Ids of accepted events."""
    return {identifier for (identifier,) in plant.ask("SELECT id FROM events")}


def test_what_cannot_be_taken_is_parked_and_its_partition_goes_on(plant: Plant) -> None:
    """Given odd messages among good ones on one partition, then each odd one is parked, told on care.dead-letters, and the others count."""
    topic = plant.layout.name(TIME_LOG)
    large = {**call(3), "note": "x" * 1_048_576}
    in_binary = binary(call(5))
    messages = [
        Message(topic, KEY, raw(call(1)), STRUCTURED_HEADER),
        Message(topic, KEY, b'{"id":"poison', STRUCTURED_HEADER),
        Message(topic, KEY, raw(large), STRUCTURED_HEADER),
        Message(topic, KEY, None, ()),  # type: ignore[arg-type]
        Message(topic, b"acme/P-2", raw(call(4)), STRUCTURED_HEADER),
        Message(topic, KEY, in_binary.value or b"", tuple((name, text or b"") for name, text in in_binary.headers)),
        Message(topic, KEY, raw({**call(6), "note": "x" * 900_000}), STRUCTURED_HEADER),
        Message(topic, KEY, b"\xff" * (3 << 20), (("ce_id", b"long"), ("ce_tenant", b"acme"))),
        Message(topic, KEY, raw(call(7)), ()),
    ]
    plant.worker()
    plant.relay()
    plant.send([*registry(), *patient()])
    places = plant.produce(messages, partition=0)
    plant.drained()
    assert reasons(plant.ledger) == ["invalid_json", "too_large", "tombstone", "wrong_key", "too_large"]
    assert {"call-1", "call-5", "call-6", "call-7"} <= accepted(plant)
    assert accepted(plant).isdisjoint({"call-3", "call-4"})
    plant.reconciled()
    letters = asyncio.run(on_topic(plant, "care.dead-letters"))
    origins = [f"kafka:{name}/{partition}/{offset}" for name, partition, offset in [*places[1:5], places[7]]]
    assert {letter["dlq_origin"]: letter["dlq_reason"] for letter in letters} == dict(zip(origins, reasons(plant.ledger), strict=True))
    assert {letter["dlq_id"] for letter in letters} == {letter["id"] for letter in plant.ledger.dead_letters()}
    assert all(letter["dlq_message"] for letter in letters)
    assert [int(letter["dlq_truncated"]) > 4 << 20 for letter in letters if "dlq_truncated" in letter] == [True]


async def on_topic(plant: Plant, topic: str) -> list[dict[str, str]]:
    """The headers of all messages of a topic."""
    name = plant.layout.name(topic)
    async with AIOKafkaConsumer(bootstrap_servers=plant.kafka.bootstrap, enable_auto_commit=False) as consumer:
        found = []
        for partition in range(4):
            at = TopicPartition(name, partition)
            consumer.assign([at])
            await consumer.seek_to_beginning(at)
            end = (await consumer.end_offsets([at]))[at]
            while await consumer.position(at) < end:
                rows = (await consumer.getmany(at, timeout_ms=500)).get(at, [])
                found += [{header: text.decode() for header, text in row.headers} for row in rows]
        return found


def test_a_header_name_that_is_not_utf8_parks_its_record_alone(plant: Plant) -> None:
    """Given such a record in the middle of a compressed batch, when it is taken, then it is parked and its neighbours count."""
    topic = plant.layout.name(TIME_LOG)
    lines = b"\n".join(raw(call(number)) for number in (1, 2, 3))
    plant.worker()
    plant.relay()
    plant.send([*registry(), *patient()])
    command = [sys.executable, "-m", "tests.streams.odd_headers", plant.kafka.bootstrap, topic, KEY.decode()]
    subprocess.run(command, input=lines, check=True, env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1", "PYTHONPATH": os.getcwd()})  # noqa: PTH109
    plant.until(lambda: {"call-1", "call-3"} <= accepted(plant), "the neighbours are taken")
    plant.send([call(4)])
    plant.drained()
    (letter,) = plant.ledger.dead_letters()
    assert (letter["reason"], "call-2" in accepted(plant), "call-4" in accepted(plant)) == ("invalid_envelope", False, True)
    assert "header" in letter["message"]
    plant.reconciled()


def test_producers_may_compress_as_they_like(plant: Plant) -> None:
    """Given batches in every form of compression that Kafka has, then all of them are taken."""
    topic = plant.layout.name(TIME_LOG)
    forms = (None, "gzip", "snappy", "lz4", "zstd")
    plant.worker()
    plant.relay()
    plant.send([*registry(), *patient()])
    asyncio.run(compressed(plant, topic, forms))
    plant.until(lambda: {f"call-{number}" for number in range(len(forms))} <= accepted(plant), "all are taken")
    plant.drained()
    assert reasons(plant.ledger) == []
    plant.reconciled()


async def compressed(plant: Plant, topic: str, forms: Iterable[str | None]) -> None:
    """A call a form."""
    for number, form in enumerate(forms):
        async with AIOKafkaProducer(bootstrap_servers=plant.kafka.bootstrap, acks="all", compression_type=form) as producer:
            at = await producer.send_and_wait(topic, raw(call(number)), KEY, partition=0)
            plant.ends[topic, 0] = at.offset + 1


def test_what_was_rolled_back_is_not_taken_and_markers_are_no_gap(plant: Plant) -> None:
    """Given transactions, one of them aborted, then only committed events are taken, no gap is seen, and reconcile finds no rest."""
    plant.worker()
    plant.relay()
    plant.send([*registry(), *patient()])
    asyncio.run(transactions(plant, [([call(1)], True), ([call(2)], False), ([call(3)], True), ([call(4)], False)]))
    plant.until(lambda: {"call-1", "call-3"} <= accepted(plant), "what was committed is taken")
    plant.drained()
    assert accepted(plant).isdisjoint({"call-2", "call-4"})
    assert reasons(plant.ledger) == []
    plant.reconciled()


async def transactions(plant: Plant, steps: Iterable[tuple[list[Event], bool]]) -> None:
    """Events in transactions that are committed or aborted."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=plant.kafka.bootstrap, transactional_id=f"{plant.prefix}tx", enable_idempotence=True)
    async with producer:
        for events, kept in steps:
            await producer.begin_transaction()
            for event in events:
                await producer.send_and_wait(plant.layout.name(TIME_LOG), raw(event), KEY, partition=0)
            await (producer.commit_transaction() if kept else producer.abort_transaction())


@pytest.mark.parametrize("behind", [True, False], ids=["with records behind", "with nothing behind"])
def test_what_expired_unread_stops_the_worker_until_somebody_accepts_the_loss(plant: Plant, behind: bool) -> None:
    """Given records that are gone before they were taken, then the worker ends with exit 1 and says how to go on; after that it does."""
    topic = plant.layout.name(TIME_LOG)
    plant.send([*registry(), *patient()])
    plant.produce([Message(topic, KEY, raw(call(number)), STRUCTURED_HEADER) for number in (1, 2, 3)], partition=1)
    end = plant.ends[topic, 1]
    asyncio.run(deleted(plant, topic, 1, end))
    if behind:
        plant.produce([Message(topic, KEY, raw(call(4)), STRUCTURED_HEADER)], partition=1)
    first = plant.worker(waited=False)
    assert first.ended() == 1
    accept = f"caremonth positions accept-loss {topic} 1 {end} --by WHO --reason WHY"
    assert accept in first.said
    assert plant.positions().get((topic, 1), 0) == 0
    done = plant.command("positions", "accept-loss", topic, "1", str(end), "--by", "pat", "--reason", "gone for good")
    assert done.returncode == 0, done.stderr
    plant.worker()
    plant.relay()
    plant.drained()
    assert ("call-4" in accepted(plant)) == behind
    assert accepted(plant).isdisjoint({"call-1", "call-2", "call-3"})
    plant.reconciled()


async def deleted(plant: Plant, topic: str, partition: int, before: int) -> None:
    """Records before an offset expire."""
    admin = AIOKafkaAdminClient(bootstrap_servers=plant.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


def test_a_topic_that_was_made_anew_is_not_passed_over(plant: Plant) -> None:
    """Given a position beyond the end of a partition, as after a topic was made anew, then the worker refuses to take it for read."""
    topic = plant.layout.name(TIME_LOG)
    plant.send([call(1)])
    plant.ledger.accept_loss(topic, 2, 1_000, by="pat", reason="as if it had been longer")
    worker = plant.worker(waited=False)
    assert worker.ended() == 1
    assert f"{topic}/2: the ledger has taken everything before offset 1000, but the broker ends at" in worker.said
