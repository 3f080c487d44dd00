"""Patients' facts counted anew from the bytes of the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.facts import Registry
from domain.records import Facts
from domain.recount import Recount, Told, recounted
from domain.roster import Rosters
from domain.sums import Sums
from ledger import schema
from ledger.keys import one_of
from ledger.rows import of_texts
from ledger.rules import Rules

_T: Final = schema.events.c
_EVENTS: Final = (
    select(_T.subject, _T.time, _T.digest, _T.raw, _T.source, _T.id, _T.type, _T.replaces)
    .where(_T.tenant == bindparam("tenant"), one_of(_T.subject))
    .order_by(_T.tenant, _T.subject, _T.seq)
)  # fmt: skip


class Expectation(NamedTuple):
    """What the facts of a tenant's patients are judged by; `stands` are its closes that something named, each with what did."""

    rules: Rules
    tracked: Container[str]
    registry: Registry
    dead: Mapping[str, int]
    closures: Mapping[str, list[str | None]]
    rosters: Rosters
    stands: Sequence[tuple[str, str]] = ()


def recount(connection: Connection, tenant: str, subjects: Sequence[str], expected: Expectation, sums: Sums) -> dict[str, Recount]:
    """The facts of these subjects of a tenant, by subject; their events are added to the sums."""
    rows = of_texts(connection, _EVENTS, subjects, tenant=tenant)
    return recounted(tenant, rows, Told(expected.tracked, expected.dead, orjson.loads, orjson.dumps), sums)


def same(stored: Facts, counted: Facts) -> bool:
    """Whether two documents have the same rows, in whatever order."""
    if stored == counted:
        return True
    kinds = {kind for facts in (stored, counted) for kind, rows in facts.items() if rows}
    try:
        return all(Counter(map(orjson.dumps, stored.get(kind, ()))) == Counter(map(orjson.dumps, counted.get(kind, ()))) for kind in kinds)
    except TypeError:
        return False
