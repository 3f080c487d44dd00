"""A tenant's sites and people as registered, and who refers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.event import Event
from domain.facts import Registry
from domain.registry import Registration, registry_of
from ledger import schema
from ledger.database import found, insert_new, sought, upsert_all
from ledger.keys import one_of

SITE = "care.site.registered.v1"
PERSON = "care.practitioner.registered.v1"
GONE = "gone"
"""The kind of a row that stands for a registration no longer held: its time is that of what took it out."""
_VERSIONS: Final = select(schema.tenants.c.tenant, schema.tenants.c.version).where(one_of(schema.tenants.c.tenant))
_REFERRING: Final = (
    select(schema.references.c.patient)
    .where(schema.references.c.tenant == bindparam("tenant"), one_of(schema.references.c.subject))
    .distinct()
)


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


def gone_row_of(event: Event, time: int) -> dict[str, Any]:
    """The row of a registration that was retracted or replaced, at last at that time."""
    return {**row_of(event), "kind": GONE, "subject": subject_of(event), "time": time}


def subject_of(event: Event) -> str:
    """The site or person as facts refer to it: `site:ID`, `person:ID`."""
    return f"{'site' if event.type == SITE else 'person'}:{event.subject}"


def load(connection: Connection, tenant: str) -> Registry:
    """All registrations of a tenant, compiled."""
    t = schema.registrations.c
    held = select(t.kind, t.subject, t.valid_from, t.time, t.identity, t.facts).where(t.tenant == tenant).where(t.kind != GONE)
    return registry_of(
        Registration(kind, subject, first, time, identity, orjson.loads(facts))
        for kind, subject, first, time, identity, facts in connection.execute(held)
    )


def times(connection: Connection, tenant: str) -> dict[str, int]:
    """When a site or person (`site:ID`, `person:ID`) was last registered, or a registration of it taken out."""
    t = schema.registrations.c
    latest: dict[str, int] = {}
    for kind, subject, time in connection.execute(select(t.kind, t.subject, t.time).where(t.tenant == tenant)):
        name = subject if kind == GONE else f"{kind}:{subject}"
        latest[name] = max(time, latest.get(name, 0))
    return latest


class Standing(NamedTuple):
    """What binds all patients of a tenant: sites and people, when each was last registered or a registration of it taken out, and by month
    the closes with number, site and time."""

    registry: Registry
    times: dict[str, int]
    closures: dict[str, list[tuple[int, str | None, int]]]


Known = dict[str, tuple[int, Standing]]
"""What binds tenants' patients, kept at hand with the version it is of."""


def standings(connection: Connection, tenants: Iterable[str], known: Known | None) -> Callable[[], dict[str, Standing]]:
    """What binds these tenants' patients, when it is called for; that at hand if it is of the tenant's present version."""
    wanted = sorted(tenants)
    if known is None:
        return lambda: {tenant: _read(connection, tenant) for tenant in wanted}
    rows = sought(connection, _VERSIONS, wanted)

    def present() -> dict[str, Standing]:
        versions = dict(rows())
        for tenant in wanted:
            version = versions.get(tenant, 0)
            if tenant not in known or known[tenant][0] != version:
                known[tenant] = version, _read(connection, tenant)
        return {tenant: known[tenant][1] for tenant in wanted}

    return present


def _read(connection: Connection, tenant: str) -> Standing:
    t = schema.closures.c
    closures: dict[str, list[tuple[int, str | None, int]]] = {}
    rows = connection.execute(select(t.month, t.seq, t.site, t.time).where(t.tenant == tenant).order_by(t.seq))
    for month, number, site, time in rows:
        closures.setdefault(month, []).append((number, site, time))
    return Standing(load(connection, tenant), times(connection, tenant), closures)


def version_of(connection: Connection, tenant: str) -> int:
    """How many batches changed the tenant's registrations or closed a month."""
    return int(dict(found(connection, _VERSIONS, [tenant])).get(tenant, 0))


def raise_version(connection: Connection, tenants: Iterable[str]) -> None:
    """Tell those who keep a tenant's registrations at hand that they are others now. The tenants are this transaction's own."""
    rows = [{"tenant": tenant, "version": version_of(connection, tenant) + 1} for tenant in sorted(set(tenants))]
    upsert_all(connection, schema.tenants, rows)


def refer(connection: Connection, rows: list[tuple[str, str, str]]) -> None:
    """Remember that a patient's facts name a site or person: (tenant, subject, patient key)."""
    insert_new(connection, schema.references, [{"tenant": t, "subject": s, "patient": p} for t, s, p in rows])


def referring(connection: Connection, tenant: str, subjects: set[str]) -> set[str]:
    """Keys of the patients whose facts name one of the subjects (`site:ID`, `person:ID`)."""
    return {key for (key,) in found(connection, _REFERRING, sorted(subjects), tenant=tenant)}
