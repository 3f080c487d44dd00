"""How far streams were read: kept and compared in the transaction that took the records in, so that a stale reader writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from time import time
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select, tuple_

from domain.calendar import utc_text
from ledger import schema
from ledger.database import answered, insert_new, is_postgres, upsert_all
from ledger.errors import LedgerError
from ledger.packed import Numbers, Texts

Partition = tuple[str, int]
_HELD: Final = (
    "SELECT topic, partition, next_offset FROM positions JOIN unnest(%s, %s) AS k (topic, partition) USING (topic, partition) "
    "ORDER BY topic, partition FOR UPDATE OF positions"
)


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
    found = _locked(connection, claim)
    if any(found[partition] != expected for partition, (expected, _) in claim.moves.items()):
        raise FencedError(found)
    now = int(time())
    upsert_all(
        connection,
        schema.positions,
        [
            {"topic": topic, "partition": partition, "next_offset": after, "writer": claim.writer, "moved_at": now}
            for (topic, partition), (_, after) in sorted(claim.moves.items())
        ],
    )


def _locked(connection: Connection, claim: Claim) -> dict[Partition, int]:
    """The positions of a claim, locked in order; a partition that nobody has read gets one first, so that there is a row to lock."""
    found = {(topic, partition): offset for topic, partition, offset in _rows(connection, sorted(claim.moves))}
    if new := sorted(claim.moves.keys() - found.keys()):
        names = [{"topic": topic, "partition": partition} for topic, partition in new]
        insert_new(connection, schema.positions, [{**name, "next_offset": 0, "writer": claim.writer, "moved_at": 0} for name in names])
        return _locked(connection, claim)
    return found


def _rows(connection: Connection, wanted: Sequence[Partition]) -> Sequence[Any]:
    if is_postgres(connection):
        topics, partitions = zip(*wanted, strict=True)
        return answered(connection, _HELD, Texts(topics), Numbers(partitions))()
    t = schema.positions.c
    statement = select(t.topic, t.partition, t.next_offset).where(tuple_(t.topic, t.partition).in_(wanted))
    return connection.execute(statement.order_by(t.topic, t.partition)).all()


def of(connection: Connection, topics: Iterable[str]) -> dict[Partition, int]:
    """The next offset of each partition of these topics that was ever read."""
    t = schema.positions.c
    rows = connection.execute(select(t.topic, t.partition, t.next_offset).where(t.topic.in_(list(topics))))
    return {(topic, partition): offset for topic, partition, offset in rows}


def listed(connection: Connection) -> list[dict[str, object]]:
    """All positions, by topic and partition."""
    t = schema.positions.c
    rows = connection.execute(select(t.topic, t.partition, t.next_offset, t.writer, t.moved_at).order_by(t.topic, t.partition))
    return [
        {"topic": topic, "partition": partition, "next_offset": offset, "writer": writer, "moved_at": utc_text(moved)}
        for topic, partition, offset, writer, moved in rows
    ]


def accept_loss(connection: Connection, partition: Partition, offset: int, by: str, reason: str) -> int:
    """Move a position over offsets that are gone, and keep on whose word; raises LedgerError where it is there already."""
    before = _locked(connection, Claim({partition: (0, 0)}, by))[partition]
    if before >= offset:
        raise LedgerError(f"{partition[0]}/{partition[1]} is at offset {before} already; nothing is lost before {offset}")
    move(connection, Claim({partition: (before, offset)}, by))
    word = {"by": by, "reason": reason, "from": before, "to": offset, "at": utc_text(int(time()))}
    name = f"loss/{partition[0]}/{partition[1]}/{before}"
    connection.execute(schema.settings.insert().values(name=name, value=json.dumps(word, sort_keys=True)))
    return offset - before
