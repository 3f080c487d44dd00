"""Who bills and where, on a date: what a claim names of a practitioner and a site beside the line itself."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from jiter import from_json
from sqlalchemy import Connection, select

from domain.facts import Registry
from ledger import registrations, schema


class Identifier(NamedTuple):
    """A practitioner's NPI as one registration states it; `valid_from` a date ordinal."""

    valid_from: int
    time: int
    identity: str
    npi: str | None


class Providers(NamedTuple):
    """A tenant's sites and practitioners' NPIs, by date."""

    registry: Registry
    practitioners: dict[str, list[Identifier]]

    def npi(self, practitioner: str, day: str) -> str | None:
        """The NPI of the registration that holds on a date (ISO); None where there is none or it states none."""
        ordinal = date.fromisoformat(day).toordinal()
        valid = [one for one in self.practitioners.get(practitioner, ()) if one.valid_from <= ordinal]
        return min(valid, key=lambda one: (-one.valid_from, -one.time, one.identity)).npi if valid else None

    def pos(self, site: str, day: str) -> str | None:
        """The place-of-service code of a site on a date (ISO), by which its lines are priced."""
        ordinal = date.fromisoformat(day).toordinal()
        versions = self.registry.sites.get(site)
        version = (versions.on(ordinal) or versions.on(ordinal + 1)) if versions else None
        return version.pos if version else None


def providers(connection: Connection, tenant: str) -> Providers:
    """The registrations of a tenant that stand now. NPIs are read from the events that state them: deciding needs none."""
    found: dict[str, list[Identifier]] = {}
    r, e = schema.registrations.c, schema.events.c
    people = select(r.subject, r.valid_from, r.time, r.identity).where(r.tenant == tenant, r.kind == "person").order_by(r.identity)
    for subject, valid_from, time, identity in connection.execute(people).all():
        source, _, identifier = identity.partition("\t")
        raw = connection.execute(select(e.raw).where(e.tenant == tenant, e.source == source, e.id == identifier)).scalar_one()
        found.setdefault(subject, []).append(Identifier(valid_from, time, identity, from_json(raw)["data"].get("npi")))
    return Providers(registrations.load(connection, tenant), found)
