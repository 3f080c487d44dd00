"""Deciding what waits, a bounded portion a transaction: closes first, then patient-months. Several do it at once, each other patients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, or_, select

from domain.records import A_YEAR, weight
from ledger import locks, schema
from ledger.database import ask, chunks, found
from ledger.keys import one_of
from ledger.marks import REGISTERED, of_tenants, registered, spread, take_due
from ledger.outbox import Outbox
from ledger.registrations import Standing
from ledger.rules import Rules
from ledger.settling import Settlement
from ledger.workspace import Workspace

_WAITS: Final = select(or_(*(select(column).limit(1).exists() for column in (schema.closings.c.closure, schema.due.c.month))))
_LEFT: Final = select(schema.closings.c.month_key).where(one_of(schema.closings.c.month_key))
Registries = dict[str, tuple[int, Standing]]


class Page(NamedTuple):
    """Where the search for something to decide goes on: in the closes that wait or in what is due, after a key; and what it is of.

    What is due is looked through from the patient behind `since` on `until` another, None where there is no last.
    """

    closes: bool = True
    after: str = ""
    since: str = ""
    until: str | None = None

    def due(self) -> Page:
        """What is due, from the first on."""
        return self._replace(closes=False, after=self.since)


class Waiting(NamedTuple):
    """Keys of what waits, in order: of closes the patient-month, of what is due patient and mark; and whether there may be more of it."""

    keys: list[tuple[str, str]]
    more: bool


class Portion(NamedTuple):
    """What came of a transaction: whether anything was decided, and otherwise where to search next; None at the end."""

    decided: bool
    next: Page | None = None


def waits(connection: Connection) -> bool:
    """Whether there is anything to decide or to close: asked before a transaction that may write is begun for it."""
    return any(there for (there,) in ask(connection, _WAITS))


def halves(connection: Connection) -> list[Page]:
    """Two searches that together come by everything that waits, about half of what is due each."""
    t = schema.due.c
    number = connection.execute(select(func.count()).select_from(schema.due)).scalar() or 0
    middle = connection.execute(select(t.patient_key).order_by(t.patient_key).offset(number // 2).limit(1)).scalar()
    return [Page()] if middle is None else [Page(until=middle), Page(since=middle).due()]


class Drain:
    """Decides within one transaction."""

    def __init__(self, connection: Connection, rules: Rules, registries: Registries | None) -> None:
        self.connection = connection
        self.outbox = Outbox(connection)
        self.work = Workspace(connection)
        self.rules = rules
        self.settlement = Settlement(connection, self.work, rules, self.outbox, registries)

    def some(self, limit: int, page: Page, *, wait: bool, on: bool = False) -> Portion:
        """Decide a portion, of patients whom nobody else has at hand; with `wait` of whoever comes first, once they are free.

        With `on` a search for closes that finds none goes on at once to what is due.
        """
        waiting, more = self._waiting(limit, page, ())
        if on and page.closes and not waiting:
            page = page.due()
            waiting, more = self._waiting(limit, page, ())
        if not page.closes and (tenants := registered(self.connection)):
            locks.tenants(self.connection, tenants)
            spread(self.connection, tenants)
            return Portion(decided=True, next=page.due())
        if not waiting:
            return Portion(decided=False)
        patients = _patients(waiting, page)
        locks.tenants(self.connection, {patient.partition("/")[0] for patient in patients})
        held = self.work.hold(patients, skip=not wait)
        decided = bool(held) and self._settle(held, waiting, page, limit)
        after = page._replace(after=waiting[-1][0]) if more else page.due() if page.closes else None
        return Portion(decided=decided or wait, next=after)

    def all_of(self, tenants: Collection[str], limit: int) -> None:
        """Decide all that is due of these tenants, which this transaction has to itself."""
        self.closes_of(tenants, limit)
        spread(self.connection, tenants)
        self._all(tenants, limit, Page(closes=False))

    def closes_of(self, tenants: Collection[str], limit: int) -> None:
        """Carry out the closes that wait in these tenants, which this transaction has to itself."""
        self._all(tenants, limit, Page())

    def _all(self, tenants: Collection[str], limit: int, page: Page) -> None:
        while waiting := self._waiting(limit, page, tenants).keys:
            self._settle(self.work.hold(_patients(waiting, page)), waiting, page, limit)

    def _settle(self, held: set[str], waiting: list[tuple[str, str]], page: Page, limit: int) -> bool:
        self.rules.refresh(self.connection)
        if page.closes:
            months = [key for key, _ in waiting if key.rpartition("/")[0] in held]
            left = {key for (key,) in found(self.connection, _LEFT, months)}
            self.settlement.close(sorted(left))
            self.outbox.save()
            return bool(left)
        marks = self.work.expand(take_due(self.connection, held))
        for keys in chunks(sorted(marks), limit):
            self.settlement.run({key: marks[key] for key in keys})
            self.outbox.save()
            self.work.months.clear()
        return bool(marks)

    def _waiting(self, limit: int, page: Page, tenants: Collection[str]) -> Waiting:
        """What waits after a page's key, a portion of it."""
        if page.closes:
            c = schema.closings.c.month_key
            statement = select(c).where(c > page.after, *of_tenants(c, tenants)).distinct().order_by(c)
            keys = [(key, "") for (key,) in self.connection.execute(statement.limit(limit))]
            return Waiting(keys, len(keys) == limit)
        t = schema.due.c
        span = [t.patient_key > (page.after or REGISTERED), *([t.patient_key <= page.until] if page.until is not None else [])]
        marks = select(t.patient_key, t.month).where(*span, *of_tenants(t.patient_key, tenants)).distinct()
        rows = self.connection.execute(marks.order_by(t.patient_key, t.month).limit(limit)).all()
        keys = list(_bounded(rows, limit))
        return Waiting(keys, len(keys) < len(rows) or len(rows) == limit)


def _bounded(rows: Iterable[Any], limit: int) -> Iterator[tuple[str, str]]:
    """Patients and marks as long as they stand for less than so many months, one at least.

    A mark for several is a year's work; more marks of one patient are about the same months.
    """
    before, mine, last = 0, 0, ""
    for patient, mark in rows:
        yield patient, mark
        if patient != last:
            before, mine, last = before + mine, 0, patient
        mine = min(mine + weight(mark), A_YEAR)
        if before + mine >= limit:
            return


def _patients(waiting: Iterable[tuple[str, str]], page: Page) -> list[str]:
    return sorted({key.rpartition("/")[0] if page.closes else key for key, _ in waiting})
