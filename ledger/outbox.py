"""Decisions on their way out: CloudEvents, numbered in the transaction that made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import Connection, select

from domain.calendar import utc_text
from domain.settlement import SOURCE, Out, PatientMonth, Row, event_id
from ledger import locks, news, schema
from ledger.database import insert_all


def mark_of(data: Row) -> str:
    """A digest by which what was told last of a month or a patient is known again."""
    return blake2b(orjson.dumps(data), digest_size=8).hexdigest()


class Outbox:
    """Collects a transaction's decisions and appends them once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: list[dict[str, Any]] = []

    def send(self, one: PatientMonth, out: Iterable[Out], time: int) -> None:
        """Add decisions on a patient-month; `time` is the greatest recording time they rest on."""
        for decision in out:
            self.add(decision, one.tenant, one.patient, time)

    def add(self, decision: Out, tenant: str, subject: str, time: int) -> None:
        """Add one decision."""
        identifier = event_id(decision.type, decision.ordinal)
        event = {
            "specversion": "1.0", "id": identifier, "source": SOURCE, "type": decision.type, "tenant": tenant,
            "subject": subject, "time": utc_text(time), "datacontenttype": "application/json", "data": decision.data,
        }  # fmt: skip
        self.rows.append({"id": identifier, "type": decision.type, "tenant": tenant, "event": orjson.dumps(event)})

    def save(self) -> None:
        """Append what was added, as the transaction's last step: until it ends nobody else gets numbers, so they have no holes."""
        if self.rows:
            first = locks.numbers(self.connection, locks.OUTBOX, len(self.rows))
            insert_all(self.connection, schema.outbox, [{"sequence": n, **row} for n, row in enumerate(self.rows, first)])
            news.tell(self.connection)
            self.rows = []


def sent(
    connection: Connection, after: int, types: Iterable[str] = (), *, tenants: Iterable[str] | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Decisions in order after a position, each with its `sequence`; without `types` of all types, without `tenants` of all tenants."""
    t = schema.outbox.c
    wanted = list(types)
    kept = [t.sequence > after, *([t.type.in_(wanted)] if wanted else []), *([t.tenant.in_(list(tenants))] if tenants is not None else [])]
    statement = select(t.sequence, t.event).where(*kept).order_by(t.sequence).limit(limit)
    for sequence, event in connection.execute(statement.execution_options(yield_per=1000)):
        yield {**orjson.loads(event), "sequence": sequence}


def last_sequence(connection: Connection) -> int:
    """The position of the last decision; 0 before the first."""
    return locks.number(connection, locks.OUTBOX)
