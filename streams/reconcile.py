"""Reconciliation: what was produced is in the ledger, what is stored is what the events come to, what was sent is what is stored.

A difference names a place, a count or an id, never what an event holds. Memory is bounded by the number of decisions, 24 bytes each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from ledger import Ledger
from streams.admin import BrokerError, administering, describe
from streams.codec import decision, receive
from streams.lines_replay import LinesReplay
from streams.records import Place, Record
from streams.rereading import committed_reader, stretch
from streams.settings import Broker
from streams.topics import TOPICS, Layout

PORTION: Final = 2_000
SHOWN: Final = 20


@dataclass(slots=True)
class Findings:
    """What was compared, and every difference (of one kind at most `SHOWN`, with how many more)."""

    records: int = 0
    messages: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, found: Iterable[str], what: str) -> None:
        """Differences of one kind, the first of them in words."""
        some = list(found)
        self.differences += some[:SHOWN]
        if len(some) > SHOWN:
            self.differences.append(f"… and {len(some) - SHOWN} more {what}")


async def reconcile(broker: Broker, ledger: Ledger, layout: Layout) -> Findings:
    """Compare the broker's topics with the ledger, and the ledger with its events."""
    findings = Findings()
    findings.add(ledger.verify(), "differences between the ledger and its events")
    async with administering(broker.servers, **broker.security()) as client:
        there = await describe(client, layout.names())
    if gone := [name for name in layout.names() if name not in there]:
        raise BrokerError(f"the broker has no topic {', '.join(gone)}; name the right broker, or its prefix")
    async with committed_reader(broker) as consumer:
        reader = _Reconciler(consumer, ledger, layout, findings, {name: found.partitions for name, found in there.items()})
        await reader.inputs()
        await reader.outputs()
    return findings


class _Reconciler:
    def __init__(
        self, consumer: AIOKafkaConsumer, ledger: Ledger, layout: Layout, findings: Findings, partitions: Mapping[str, int]
    ) -> None:
        self.consumer = consumer
        self.ledger = ledger
        self.layout = layout
        self.findings = findings
        self.partitions = partitions
        self.words = ledger.words

    async def inputs(self) -> None:
        """Every record up to the ledger's position is an accepted event of that content or a dead letter."""
        positions = self.ledger.positions(self.layout.inputs())
        for place, beginning, end in [one for topic in self.layout.inputs() async for one in self._partitions(topic)]:
            after = positions.get((place.topic, place.partition), 0)
            self.findings.add([one async for one in self._apart(place, after, beginning, end)], "partitions")
            lost: list[str] = []
            async for records in self._read(place, beginning, min(after, end)):
                self.findings.records += len(records)
                lost += self.ledger.unaccounted([receive(record, self.words) for record in records])
            self.findings.add((f"{origin}: neither accepted nor in the dead letters" for origin in lost), "lost records")

    async def _apart(self, place: Place, after: int, beginning: int, end: int) -> AsyncIterator[str]:
        """Where the ledger's position is not at the partition's end. Markers of transactions alone do not set them apart."""
        where = f"{place.topic}/{place.partition}"
        if after > end:
            yield f"{where}: the ledger is at offset {after}, but the broker ends at {end}: records it had are gone"
        if after < beginning:
            yield f"{where}: offsets {after} to {beginning} are gone from the broker and were never taken"
        if waiting := sum([len(records) async for records in self._read(place, max(after, beginning), end)]):
            yield f"{where}: {waiting} records are not taken yet"

    async def outputs(self) -> None:
        """Each decision was sent, with its bytes, and nothing else was; the billing topic, each id once, replays to the lines."""
        sent, replay = dict[str, bytes](), LinesReplay()
        topics = [self.layout.name(topic.name) for topic in TOPICS if topic.role == "output" and topic.types]
        for place, beginning, end in [one for topic in topics async for one in self._partitions(topic)]:
            async for records in self._read(place, beginning, end):
                self.findings.messages += len(records)
                self.findings.add(_noted(records, sent, replay), "messages")
        self.findings.add(self._compared(sent), "decisions")
        self.findings.add(replay.differences(self.ledger.lines()), "lines")

    def _compared(self, sent: dict[str, bytes]) -> Iterator[str]:
        after = 0
        while rows := self.ledger.outbox(after, PORTION):
            for number, raw in rows:
                message = decision(number, raw, self.layout)
                if message is not None:
                    identifier = _id_of(message.value)
                    mark = sent.pop(identifier, None)
                    if mark is None:
                        yield f"decision {identifier}: was never sent"
                    elif mark != _mark(message.value):
                        yield f"decision {identifier}: was sent with other content than it is stored with"
            after = rows[-1][0]
        yield from (f"decision {identifier}: was sent, and the ledger has no such decision" for identifier in sorted(sent))

    async def _partitions(self, topic: str) -> AsyncIterator[tuple[Place, int, int]]:
        """The topic's partitions, with the first offset that is there and the one after the last."""
        places = [TopicPartition(topic, number) for number in range(self.partitions[topic])]
        beginnings, ends = await self.consumer.beginning_offsets(places), await self.consumer.end_offsets(places)
        for place in places:
            yield Place(place.topic, place.partition), beginnings[place], ends[place]

    async def _read(self, place: Place, first: int, after: int) -> AsyncIterator[Sequence[Record]]:
        async for records in stretch(self.consumer, place, first, after):
            rows = iter(records)
            while portion := list(islice(rows, PORTION)):
                yield portion


def _noted(records: Sequence[Record], sent: dict[str, bytes], replay: LinesReplay) -> Iterator[str]:
    for record in records:
        value = record.value or b"{}"
        identifier, mark = _id_of(value), _mark(value)
        if identifier not in sent:
            sent[identifier] = mark
            replay.take(orjson.loads(value))
        elif sent[identifier] != mark:
            yield f"decision {identifier}: was sent twice with different content"


def _id_of(value: bytes) -> str:
    event: dict[str, Any] = orjson.loads(value)
    return str(event.get("id"))


def _mark(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()
