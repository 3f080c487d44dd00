"""Reconciliation: what was produced is in the ledger, what is stored is what the events come to, what was sent is what is stored.

Every finding names a place and a count or an id, never what an event holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.settlement import ADJUSTMENT, LINE_READY, LINE_WITHDRAWN, MONTH_CLOSED
from ledger import Ledger
from ledger.arrivals import Arrival
from streams.codec import unpack
from streams.records import Place, Record
from streams.rereading import record_of_row
from streams.settings import Broker

PORTION: Final = 2_000
SHOWN: Final = 20


@dataclass(slots=True)
class Findings:
    """What was compared, and every difference."""

    records: int = 0
    messages: int = 0
    differences: list[str] = field(default_factory=list)


async def reconcile(broker: Broker, ledger: Ledger, inputs: Sequence[str], outputs: Sequence[str]) -> Findings:
    """Compare the broker's topics with the ledger, and the ledger with its events."""
    findings = Findings(differences=list(ledger.verify()))
    consumer = AIOKafkaConsumer(**broker.options(), enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        await _inputs(consumer, ledger, inputs, findings)
        await _outputs(consumer, ledger, outputs, findings)
    finally:
        await consumer.stop()
    return findings


async def _inputs(consumer: AIOKafkaConsumer, ledger: Ledger, topics: Sequence[str], findings: Findings) -> None:
    positions = ledger.positions(topics)
    for place in await _places(consumer, topics):
        after = positions.get(tuple(place), 0)
        end = (await consumer.end_offsets([TopicPartition(*place)]))[TopicPartition(*place)]
        if after > end:
            findings.differences.append(f"{place.topic}/{place.partition}: the ledger is at offset {after}, the broker ends at {end}")
        if after < end:
            findings.differences.append(f"{place.topic}/{place.partition}: {end - after} records are not taken yet")
        async for records in _read(consumer, place, min(after, end)):
            findings.records += len(records)
            findings.differences += _lost(ledger, records)


def _lost(ledger: Ledger, records: Sequence[Record]) -> Iterator[str]:
    """Records that are neither an accepted event of this content nor a dead letter."""
    read = ledger.read([(record.origin, unpack(record)) for record in records])
    absent = ledger.absent([one for one in read if isinstance(one, Arrival)], [one for one in read if not isinstance(one, Arrival)])
    for origin in absent[:SHOWN]:
        yield f"{origin}: neither accepted nor in the dead letters"


async def _outputs(consumer: AIOKafkaConsumer, ledger: Ledger, topics: Sequence[str], findings: Findings) -> None:
    """The topics, each id once, are what the ledger sent; and billing replays to the lines."""
    seen: dict[str, bytes] = {}
    replay = Replay()
    for place in await _places(consumer, topics):
        end = (await consumer.end_offsets([TopicPartition(*place)]))[TopicPartition(*place)]
        async for records in _read(consumer, place, end):
            findings.messages += len(records)
            for record in records:
                findings.differences += _sent_twice(seen, record, replay)
    stored = {identifier: _mark(event) for identifier, event in ledger.sent_events()}
    findings.differences += [f"decision {i}: sent, but the ledger has no such decision" for i in sorted(seen.keys() - stored.keys())[:SHOWN]]
    findings.differences += [f"decision {i}: decided, but not sent" for i in sorted(stored.keys() - seen.keys())[:SHOWN]]
    findings.differences += [f"decision {i}: sent with other content" for i in sorted(stored.keys() & seen.keys()) if stored[i] != seen[i]]
    findings.differences += replay.compare(ledger.lines())


def _sent_twice(seen: dict[str, bytes], record: Record, replay: Replay) -> Iterator[str]:
    event = orjson.loads(record.value or b"{}")
    identifier, mark = event.get("id", ""), _mark(record.value or b"")
    if identifier not in seen:
        seen[identifier] = mark
        replay.take(event)
    elif seen[identifier] != mark:
        yield f"decision {identifier}: sent twice with different content"


def _mark(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
