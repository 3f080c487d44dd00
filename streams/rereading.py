"""Offsets that were passed over are read again from the broker before anything behind them is taken."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.records import Gap, Place, Record
from streams.settings import Broker


class Expired(RuntimeError):
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


async def reread(broker: Broker, gaps: list[Gap], patience: float = 30.0) -> list[Record]:
    """The records that stand in the gaps. Fewer than offsets where a transaction's markers or compaction took places; raises Expired."""
    consumer = AIOKafkaConsumer(**broker.options(), enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        return [record for gap in gaps for record in await _fill(consumer, gap, patience)]
    finally:
        await consumer.stop()


async def _fill(consumer: AIOKafkaConsumer, gap: Gap, patience: float) -> list[Record]:
    place = TopicPartition(*gap.place)
    consumer.assign([place])
    beginning = (await consumer.beginning_offsets([place]))[place]
    if beginning > gap.first:
        raise Expired(gap, beginning)
    consumer.seek(place, gap.first)
    found: list[Record] = []
    while await consumer.position(place) < gap.after:
        batch = await consumer.getmany(place, timeout_ms=int(patience * 1000))
        rows = batch.get(place, [])
        if not rows and await consumer.position(place) < gap.after:
            raise TimeoutError(f"{gap.place.topic}/{gap.place.partition}: offsets {gap.first} to {gap.after} could not be read again")
        found += [_record(gap.place, row) for row in rows if row.offset < gap.after]
    return found


def _record(place: Place, row: ConsumerRecord) -> Record:
    return Record(place, row.offset, row.key, row.value, tuple(row.headers), row.timestamp)
