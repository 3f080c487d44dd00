"""Registrations of sites and people compiled into dated versions (docs/contract.md §1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from domain.event import Event
from domain.facts import ALWAYS, Person, Registry, Site, Versions

SITE = "site"
PERSON = "person"


class Registration(NamedTuple):
    """One registration of a site or person; `valid_from` a date ordinal, `ALWAYS` where none is given."""

    kind: str
    subject: str
    valid_from: int
    time: int
    identity: str
    value: Sequence[Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The registration an event states."""
        data = event.data
        first = data.valid_from if data.valid_from is not None else ALWAYS
        if event.type == "care.site.registered.v1":
            return cls(SITE, event.subject, first, event.time, event.identity, Site(data.zone, data.pos))
        return cls(PERSON, event.subject, first, event.time, event.identity, Person(data.role, data.employment))


def registry_of(registrations: Iterable[Registration]) -> Registry:
    """The versions of each site and person; of two for one date the later recorded holds, then the smaller identity."""
    held: dict[tuple[str, str], dict[int, Registration]] = {}
    for one in sorted(registrations, key=lambda r: r.identity, reverse=True):
        dates = held.setdefault((one.kind, one.subject), {})
        if one.valid_from not in dates or dates[one.valid_from].time <= one.time:
            dates[one.valid_from] = one
    registry = Registry({}, {})
    sites, people = dict[str, Versions[Site]](), dict[str, Versions[Person]]()
    for (kind, subject), dates in held.items():
        starts = tuple(sorted(dates))
        values = [dates[first].value for first in starts]
        if kind == SITE:
            sites[subject] = Versions(starts, tuple(Site(*v) for v in values))
        else:
            people[subject] = Versions(starts, tuple(Person(*v) for v in values))
    registry.sites, registry.people = sites, people
    return registry
