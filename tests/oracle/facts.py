"""The accepted events of one tenant, as facts: what is alive, what is dead, and what was registered when (docs/contract.md §1)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.oracle.clock import FOREVER, instant, local_date

Event = dict[str, Any]
Identity = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Fact:
    """One event; `at`, `start` and `end` are instants (0 where the type has none, an open end is FOREVER)."""

    identity: Identity
    kind: str
    subject: str
    time: int
    at: int
    start: int
    end: int
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """How decisions cite the event."""
        return "|".join(self.identity)


@dataclass
class Patient:
    """The living facts of one patient by type, and all time entries, the dead ones too."""

    name: str
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    entries: list[Fact] = field(default_factory=list)
    memory: dict[Any, Any] = field(default_factory=dict)

    def of(self, kind: str, /, **wanted: str) -> list[Fact]:
        """The living facts of a type whose data has these values."""
        found = self.facts.get(kind, [])
        return [fact for fact in found if all(fact.data.get(key) == value for key, value in wanted.items())]


@dataclass
class Tenant:
    """One tenant's facts. Nothing of another tenant is in it."""

    name: str
    dead: set[Identity] = field(default_factory=set)
    patients: dict[str, Patient] = field(default_factory=dict)
    versions: dict[tuple[str, str], list[Fact]] = field(default_factory=dict)
    memory: dict[Any, Any] = field(default_factory=dict)

    def version(self, kind: str, name: str, day: date) -> dict[str, Any] | None:
        """The data of the version in force on a date: greatest valid_from, then latest time, then smallest identity."""
        fits = [fact for fact in self.versions.get((kind, name), []) if valid_from(fact) <= day]
        if not fits:
            return None
        newest = max(valid_from(fact) for fact in fits)
        latest = max(fact.time for fact in fits if valid_from(fact) == newest)
        ties = [fact for fact in fits if valid_from(fact) == newest and fact.time == latest]
        return min(ties, key=lambda fact: fact.identity).data

    def zone(self, site: str, second: int) -> str | None:
        """The zone of a site at an instant (the UTC date picks the version); None where the site is unknown."""
        found = self.version("care.site.registered.v1", site, local_date("UTC", second))
        return None if found is None else str(found["zone"])

    def date_at(self, site: str, second: int) -> date:
        """The local date at a site, the UTC date where the site is unknown."""
        return local_date(self.zone(site, second) or "UTC", second)


def valid_from(fact: Fact) -> date:
    """The first day of a registration's version; absent means always."""
    return date.fromisoformat(fact.data.get("valid_from", "0001-01-01"))


def read(event: Event) -> Fact:
    """A valid CloudEvent as a fact; an optional field given as null is absent."""
    data = {key: value for key, value in event["data"].items() if value is not None}
    moments = {key: instant(data[key]) for key in ("at", "start", "end") if key in data}
    return Fact(
        (event["source"], event["id"]),
        event["type"],
        event["subject"],
        instant(event["time"]),
        moments.get("at", 0),
        moments.get("start", 0),
        moments.get("end", FOREVER),
        data,
    )


def tenants(events: Iterable[Event]) -> dict[str, Tenant]:
    """The tenants of a set of events: duplicates once, every target of a replacement or retraction dead for good."""
    found: dict[str, Tenant] = {}
    unique = {(event["tenant"], event["source"], event["id"]): event for event in events}
    for event in unique.values():
        tenant = found.setdefault(event["tenant"], Tenant(event["tenant"]))
        if event.get("replaces") is not None:
            tenant.dead.add((event["source"], event["replaces"]))
        if event["type"] == "care.event.retracted.v1":
            tenant.dead.add((event["data"].get("source") or event["source"], event["data"]["id"]))
    for event in unique.values():
        _place(found[event["tenant"]], read(event))
    return found


def _place(tenant: Tenant, fact: Fact) -> None:
    alive = fact.identity not in tenant.dead
    if fact.kind in {"care.site.registered.v1", "care.practitioner.registered.v1"}:
        if alive:
            tenant.versions.setdefault((fact.kind, fact.subject), []).append(fact)
    elif fact.kind not in {"care.month.closed.v1", "care.event.retracted.v1"}:
        patient = tenant.patients.setdefault(fact.subject, Patient(fact.subject))
        if fact.kind == "care.time.logged.v1":
            patient.entries.append(fact)
        elif alive:
            patient.facts.setdefault(fact.kind, []).append(fact)
