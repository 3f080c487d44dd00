"""A tenant's sites and people as registered, and who refers to them."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select

from domain.events import Event
from domain.facts import Registry
from domain.registry import Registration, registry_of
from ledger import schema
from ledger.database import chunks, insert_new, upsert_all

SITE = "care.site.registered.v1"
PERSON = "care.practitioner.registered.v1"


def row_of(event: Event) -> dict[str, Any]:
    """The row of a registration."""
    one = Registration.of(event)
    return {
        "tenant": event.tenant, "identity": event.identity, "kind": one.kind, "subject": one.subject,
        "valid_from": one.valid_from, "time": one.time, "facts": orjson.dumps(list(one.value)),
    }  # fmt: skip


def record(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Keep registrations."""
    upsert_all(connection, schema.registrations, rows)


def forget(connection: Connection, tenant: str, identity: str) -> None:
    """Drop a registration that was retracted or replaced."""
    t = schema.registrations.c
    connection.execute(delete(schema.registrations).where(t.tenant == tenant, t.identity == identity))


def load(connection: Connection, tenant: str) -> Registry:
    """All registrations of a tenant, compiled."""
    t = schema.registrations.c
    rows = connection.execute(select(t.kind, t.subject, t.valid_from, t.time, t.identity, t.facts).where(t.tenant == tenant))
    return registry_of(
        Registration(kind, subject, first, time, identity, orjson.loads(facts)) for kind, subject, first, time, identity, facts in rows
    )


def refer(connection: Connection, rows: list[tuple[str, str, str]]) -> None:
    """Remember that a patient's facts name a site or person: (tenant, subject, patient key)."""
    insert_new(connection, schema.references, [{"tenant": t, "subject": s, "patient": p} for t, s, p in rows])


def referring(connection: Connection, tenant: str, subjects: set[str]) -> set[str]:
    """Keys of the patients whose facts name one of the subjects (`site:ID`, `person:ID`)."""
    t = schema.references.c
    statement = select(t.patient).where(t.tenant == tenant, t.subject.in_(bindparam("subjects", expanding=True))).distinct()
    return {key for chunk in chunks(sorted(subjects)) for (key,) in connection.execute(statement, {"subjects": chunk})}
