"""How far streams were read: kept in the transaction that took the records in, and compared there: a stale reader writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import time
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from ledger import schema
from ledger.database import insert_new
from ledger.errors import LedgerError

Partition = tuple[str, int]


class Claim(NamedTuple):
    """What a reader of partitions believes and wants: for each (topic, partition) the offset expected next, and that of afterwards.

    The first expectation of a partition that nobody has read is 0. `writer` is told to whoever looks, and decides nothing.
    """

    moves: Mapping[Partition, tuple[int, int]]
    writer: str


class FencedError(LedgerError):
    """Another reader has moved a position: nothing of the batch was written. `found` are the next offsets of the partitions claimed."""

    def __init__(self, found: Mapping[Partition, int]) -> None:
        self.found = dict(found)
        where = ", ".join(f"{topic}[{partition}] is at {offset}" for (topic, partition), offset in sorted(found.items()))
        super().__init__(f"another reader has been here: {where}; nothing was written, read on from there if the partition is still yours")


def move(connection: Connection, claim: Claim) -> None:
    """Lock the positions, compare them with what is expected, and move them; raises FencedError."""
    _create(connection, claim)
    found = {partition: _locked(connection, partition) for partition in sorted(claim.moves)}
    if any(found[partition] != expected for partition, (expected, _) in claim.moves.items()):
        raise FencedError(found)
    t = schema.positions.c
    moved = update(schema.positions).where(t.topic == bindparam("of_topic"), t.partition == bindparam("of_partition"))
    now = int(time())
    rows = [
        {"of_topic": topic, "of_partition": partition, "next_offset": after, "writer": claim.writer, "moved_at": now}
        for (topic, partition), (_, after) in sorted(claim.moves.items())
    ]
    if rows:
        connection.execute(moved, rows)


def _create(connection: Connection, claim: Claim) -> None:
    names = [{"topic": topic, "partition": partition} for topic, partition in sorted(claim.moves)]
    insert_new(connection, schema.positions, [{**name, "next_offset": 0, "writer": claim.writer, "moved_at": 0} for name in names])


def _locked(connection: Connection, partition: Partition) -> int:
    t = schema.positions.c
    statement = select(t.next_offset).where(t.topic == partition[0], t.partition == partition[1]).with_for_update()
    return int(connection.execute(statement).scalar_one())


def of(connection: Connection, topics: Iterable[str]) -> dict[Partition, int]:
    """The next offset of each partition of these topics that was ever read."""
    t = schema.positions.c
    rows = connection.execute(select(t.topic, t.partition, t.next_offset).where(t.topic.in_(list(topics))))
    return {(topic, partition): offset for topic, partition, offset in rows}
