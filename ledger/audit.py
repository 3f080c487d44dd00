"""Patients audited (`domain.audit`): their events and what is stored of them read, and what is found counted."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from domain.audit import Expected, audited
from domain.recount import Recount, Told, recounted
from domain.sums import Sums
from ledger.holdings import EVENTS, Holdings
from ledger.rows import of_texts


class Found(NamedTuple):
    """What is found of some patients or of a table: differences, how many rows were seen of each table, and each patient's bookings: the
    sum of those that are stored, or less those that the events come to; `sums` are those of the events found, by tenant."""

    differences: list[str]
    seen: Counter[str]
    booked: Mapping[str, int]
    sums: Mapping[str, tuple[int, int]]


def audit(
    connection: Connection, tenant: str, subjects: Sequence[str], told: Told, expected: Expected, decisions: Mapping[str, array[int]]
) -> Found:
    """What is found of some subjects of a tenant. `decisions` are the numbers of the outbox rows about each key."""
    sums = Sums()
    counts = recounted(tenant, of_texts(connection, EVENTS, subjects, tenant=tenant), told, sums)
    holdings = Holdings(connection, tenant, subjects)
    holdings.load((f"{tenant}/{subject}/{month}" for subject, count in counts.items() for month in count.months), decisions)
    found = [
        difference
        for subject in subjects
        for difference in audited(tenant, subject, counts.get(subject) or Recount(tenant, subject), holdings.of[subject], expected)
    ]
    return Found(found, holdings.seen, {count.patient: -count.booked for count in counts.values() if count.booked}, sums.found)
