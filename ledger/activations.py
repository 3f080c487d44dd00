"""Which rule set holds where and when: rows that are added, never changed (docs/adr/0012-rules-by-tenant-and-month.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from ledger import locks, schema
from ledger.database import ask, insert_all

PROGRAM: Final = "caremonth"
FIRST_REASON: Final = "the rules the ledger began with"
CAUSE: Final = "rules/"
"""How the due queue names an activation; the identity of an event has a tab."""
_SEQ: Final = schema.activations.c.seq
_AFTER: Final = select(schema.activations).where(bindparam("seq") < _SEQ).order_by(_SEQ)


class Activation(NamedTuple):
    """From month `first` to `last`, in `tenant`, the rule set of this digest holds; None stands for all. `at` is in epoch seconds.

    A row that `reverts` another says no more than that the other one no longer counts; its scope is that one's. `sent` is the number of the
    last decision that was sent before.
    """

    seq: int
    tenant: str | None
    first: str | None
    last: str | None
    digest: str
    reverts: int | None
    plan: str | None
    by: str
    reason: str
    at: int
    sent: int = 0

    def covers(self, tenant: str, month: str) -> bool:
        """Whether the row speaks of the tenant's month."""
        here = self.tenant in (None, tenant)
        return here and (self.first is None or self.first <= month) and (self.last is None or month <= self.last)

    def meets(self, tenant: str | None, first: str | None, last: str | None) -> bool:
        """Whether the row speaks of some month from `first` to `last` of the tenant (None: of any)."""
        here = None in (tenant, self.tenant) or tenant == self.tenant
        return here and (self.first or "") <= (last or "~") and (first or "") <= (self.last or "~")

    def hides(self, other: Activation) -> bool:
        """Whether nothing is left of an earlier row under this one."""
        begins = self.first is None or (other.first is not None and self.first <= other.first)
        ends = self.last is None or (other.last is not None and other.last <= self.last)
        return self.tenant in (None, other.tenant) and begins and ends

    @property
    def cause(self) -> str:
        """What the due queue calls it."""
        return f"{CAUSE}{self.seq}"


def after(connection: Connection, seq: int) -> list[Activation]:
    """The rows after a number."""
    return [Activation._make(row) for row in ask(connection, _AFTER, seq=seq)]


def append(connection: Connection, row: Activation) -> Activation:
    """Add a row, which gets the next number. The tenants concerned are this transaction's own."""
    last = connection.execute(select(func.max(schema.activations.c.seq))).scalar() or 0
    numbered = row._replace(seq=last + 1, sent=locks.number(connection, locks.OUTBOX))
    insert_all(connection, schema.activations, [numbered._asdict()])
    return numbered


def standing(rows: Iterable[Activation]) -> list[Activation]:
    """The rows that count, the latest first: not those that were taken back, nor those that took them back."""
    known = list(rows)
    reverted = {row.reverts for row in known}
    return [row for row in reversed(known) if row.reverts is None and row.seq not in reverted]


def visible(rows: Iterable[Activation]) -> list[Activation]:
    """Those that still decide some month of some tenant, the latest first."""
    found: list[Activation] = []
    for row in standing(rows):
        if not any(later.hides(row) for later in found):
            found.append(row)
    return found
