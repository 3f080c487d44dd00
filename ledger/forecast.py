"""What other rules would change, decided patient by patient with the functions that settling uses, and written nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, func, select

from domain.changes import Change, carried_out, changes
from domain.decide import decide
from domain.facts import Conflict, Registry
from domain.histories import Histories
from domain.lines import Key
from domain.records import Facts, reading_months, with_windows
from domain.rule_differences import Differences
from domain.rulebook import Rulebook
from domain.settlement import PatientMonth, Scope, Stored
from ledger import registrations, schema
from ledger.booking import conflicts_of
from ledger.database import found
from ledger.holdings import parsed
from ledger.keys import one_of
from ledger.marks import REGISTERED, of_tenants
from ledger.rules import Rules

OPEN: Final = Scope()
EMPTY: Final = 2
"""Bytes of a month's document without facts."""
_L: Final = schema.lines.c
_LINES: Final = select(
    _L.month_key, _L.line_id, _L.program, _L.practitioner, _L.code, _L.window, _L.status, _L.revision, _L.row, _L.closed_units,
    _L.closed_cents, _L.closed_site, _L.adjusted_units, _L.adjusted_cents,
).where(one_of(_L.month_key))  # fmt: skip
_M: Final = schema.months.c
_MONTHS: Final = select(_M.key, _M.facts).where(one_of(_M.key))
_SIZES: Final = select(_M.key, func.length(_M.facts)).where(one_of(_M.key))


class Span(NamedTuple):
    """Months from `first` to `last`; None stands for no limit."""

    first: str | None
    last: str | None

    def holds(self, month: str) -> bool:
        """Whether the month is one of them."""
        return (self.first is None or self.first <= month) and (self.last is None or month <= self.last)


class Question(NamedTuple):
    """What is asked: the rules that hold, the other ones, the months counted, and whether what cannot differ is decided all the same."""

    held: Rules
    other: Rules
    span: Span
    everything: bool


class Answer(NamedTuple):
    """The changes of some patients, in order, and how many patient-months of the span have time or readings on file."""

    changes: list[tuple[PatientMonth, Change]]
    evaluated: int


class Forecast:
    """Forecasts for one tenant, on one state of the ledger."""

    def __init__(self, connection: Connection, tenant: str, question: Question) -> None:
        self.connection = connection
        self.tenant = tenant
        self.question = question
        self.registry: Registry = registrations.load(connection, tenant)
        self.closures = _closures(connection, tenant)
        self.waiting = _waiting(connection, tenant)
        self.pending = _pending(connection, tenant)
        self._differences: dict[tuple[str, str], Differences] = {}

    def of(self, keys: Sequence[str]) -> Answer:
        """The changes of these patients (keys `tenant/patient`)."""
        patients = {key: orjson.loads(facts) for key, facts in found(self.connection, _patients(), keys)}
        known = {key: _known(patients[key]) for key in sorted(patients)}
        sizes = dict(found(self.connection, _SIZES, [f"{key}/{month}" for key, months in known.items() for month in months]))
        evaluated = sum(1 for key, size in sizes.items() if size > EMPTY and self.question.span.holds(key[-7:]))
        candidates = {key: self._candidates(months) for key, months in known.items()}
        documents = self._documents(patients, candidates, sizes)
        wanted = {
            key: [m for m in months if self._bears(m, patients[key], documents.get(f"{key}/{m}", b"{}"))]
            for key, months in candidates.items()
        }
        lines = self._lines([f"{key}/{month}" for key, months in wanted.items() for month in months])
        conflicts = conflicts_of(self.connection, [key for key, months in wanted.items() if months])
        answers: list[tuple[PatientMonth, Change]] = []
        for key, months in wanted.items():
            answers += self._patient(key, months, patients[key], documents, lines, conflicts.get(key, ()))
        return Answer(answers, evaluated)

    def _candidates(self, months: Iterable[str]) -> list[str]:
        if self.question.everything:
            return sorted(months)
        return sorted(month for month in months if self._differ(month).programs(month))

    def _differ(self, month: str) -> Differences:
        """The differences between the two rulebooks; one object for all months that are decided by the same two."""
        one, other = self._held(month), self._other(month)
        pair = (one.digest, other.digest)
        if pair not in self._differences:
            self._differences[pair] = Differences(one, other)
        return self._differences[pair]

    def _bears(self, month: str, lasting: Facts, facts: bytes) -> bool:
        return self.question.everything or self._differ(month).bears_on(month, lasting, facts)

    def _documents(self, patients: dict[str, Facts], candidates: dict[str, list[str]], sizes: dict[str, int]) -> dict[str, bytes]:
        keys = {f"{key}/{month}" for key, months in candidates.items() for month in months}
        for key, months in candidates.items():
            for month in months:
                keys.update(f"{key}/{m}" for m in reading_months(patients[key], month))
        return dict(found(self.connection, _MONTHS, sorted(keys & sizes.keys())))

    def _lines(self, month_keys: Sequence[str]) -> dict[str, dict[Key, Stored]]:
        lines: dict[str, dict[Key, Stored]] = {}
        for month_key, identifier, program, practitioner, code, window, status, revision, row, *figures in found(
            self.connection, _LINES, month_keys
        ):
            key = (program, practitioner, code, window)
            lines.setdefault(month_key, {})[key] = Stored(identifier, key, status, revision, parsed(row), *figures)
        return lines

    def _patient(
        self, key: str, months: Sequence[str], lasting: Facts, documents: dict[str, bytes], lines: dict[str, dict[Key, Stored]],
        conflicts: Sequence[Conflict],
    ) -> Iterator[tuple[PatientMonth, Change]]:  # fmt: skip
        patient = key.partition("/")[2]
        due = key in self.waiting or REGISTERED in self.waiting
        read = {m: orjson.loads(documents[f"{key}/{m}"]) for m in self._read(lasting, months) if f"{key}/{m}" in documents}
        made, present = Histories(lasting, read, conflicts), Histories(lasting, read, conflicts)
        for month in months:
            one = PatientMonth(self.tenant, patient, month)
            stored, scope = lines.get(one.key, {}), self.closures.get(month, OPEN)
            if due or one.key in self.pending:
                now = decide(present.of(month), month, self.registry, self._held(month)).lines
                stored = carried_out(one, stored, now, scope, self.pending.get(one.key, ()))
            for change in changes(stored, decide(made.of(month), month, self.registry, self._other(month)).lines, scope):
                yield one, change

    def _read(self, lasting: Facts, months: Iterable[str]) -> set[str]:
        """The months whose documents bear on these."""
        return {*months, *(m for month in months for m in reading_months(lasting, month))}

    def _held(self, month: str) -> Rulebook:
        return self.question.held.at(self.tenant, month)

    def _other(self, month: str) -> Rulebook:
        return self.question.other.at(self.tenant, month)


def _patients() -> Any:
    return select(schema.patients.c.key, schema.patients.c.facts).where(one_of(schema.patients.c.key))


def _known(document: Facts) -> set[str]:
    """The months of a patient that are decided; taken out of the document, so that what is left are facts."""
    months: set[str] = set(document.pop("months", ()))  # type: ignore[arg-type]
    document.pop("references", None)
    document.pop("roster", None)
    return with_windows(months) if document.get("set_ups") else months


def _closures(connection: Connection, tenant: str) -> dict[str, Scope]:
    t = schema.closures.c
    sites: dict[str, list[str | None]] = {}
    for month, site in connection.execute(select(t.month, t.site).where(t.tenant == tenant)):
        sites.setdefault(month, []).append(site)
    return {month: Scope.of(some) for month, some in sites.items()}


def _waiting(connection: Connection, tenant: str) -> set[str]:
    """Patients of whom something is due; REGISTERED where it may be any."""
    t = schema.due.c
    (mine,) = of_tenants(t.patient_key, [tenant])
    return {key for (key,) in connection.execute(select(t.patient_key).where(mine | (t.patient_key == REGISTERED)).distinct())}


def _pending(connection: Connection, tenant: str) -> dict[str, list[str | None]]:
    """The sites of the closes that wait for patient-months of the tenant, in order of the closes."""
    c, t = schema.closings.c, schema.closures.c
    statement = select(c.month_key, t.site).join(schema.closures, t.seq == c.closure).where(t.tenant == tenant).order_by(t.seq)
    pending: dict[str, list[str | None]] = {}
    for key, site in connection.execute(statement):
        pending.setdefault(key, []).append(site)
    return pending
