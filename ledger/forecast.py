"""What other rules would change, decided patient by patient with the functions that settling uses, and written nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, select

from domain.changes import Change, carried_out, changes
from domain.decide import decide
from domain.facts import Registry
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
NO_LINES: Final[dict[Key, Stored]] = {}
_NONE: Final = frozenset[str]()
_L: Final = schema.lines.c
_LINES: Final = select(
    _L.month_key, _L.line_id, _L.program, _L.practitioner, _L.code, _L.window, _L.status, _L.revision, _L.row, _L.closed_units,
    _L.closed_cents, _L.closed_site, _L.adjusted_units, _L.adjusted_cents,
).where(one_of(_L.month_key))  # fmt: skip
_M: Final = schema.months.c
_MONTHS: Final = select(_M.key, _M.facts).where(one_of(_M.key))
_P: Final = schema.patients.c
_PATIENTS: Final = select(_P.key, _P.facts).where(one_of(_P.key))

Months = dict[str, set[str]]
"""Months by patient."""
Changes = list[tuple[PatientMonth, Change]]


class Question(NamedTuple):
    """What is asked: the rules that hold, the other ones, and whether what cannot differ is decided all the same."""

    held: Rules
    other: Rules
    everything: bool


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
        self._programs: dict[str, frozenset[str]] = {}

    def of(self, keys: Sequence[str]) -> Changes:
        """The changes of these patients (keys `tenant/patient`), in order."""
        rows = sorted((key, orjson.loads(facts)) for key, facts in found(self.connection, _PATIENTS, keys))
        known = {key: _known(facts) for key, facts in rows}
        lasting, file = dict(rows), _File(self.connection)
        wanted = known if self.question.everything else self._bearing(lasting, known, file)
        wanted = {key: months for key, months in wanted.items() if months}
        file.read({key: _read(lasting[key], months) & known[key] for key, months in wanted.items()})
        lines = self._lines([f"{key}/{month}" for key, months in wanted.items() for month in months])
        conflicts = conflicts_of(self.connection, wanted)
        answers: Changes = []
        for key, months in wanted.items():
            histories = partial(Histories, lasting[key], file.taken(key, _read(lasting[key], months)), conflicts.get(key, ()))
            answers += self._patient(key, sorted(months), histories, lines)
        return answers

    def _bearing(self, lasting: dict[str, Facts], known: Months, file: _File) -> Months:
        """The months that may differ. Of the others no more is read than it takes to know, and no document is parsed that names none of
        the programs that do."""
        asked = {key: {month for month in months if self._named(month)} for key, months in known.items()}
        earlier = {key: {m for month in months for m in self._differ(month).reads(month, lasting[key])} for key, months in asked.items()}
        file.read({key: (months | earlier[key]) & known[key] for key, months in asked.items()})
        named = _named_in({program for months in asked.values() for month in months for program in self._named(month)})
        wanted: Months = {}
        for key, months in asked.items():
            documents = file.parsed(key, known[key], named)
            wanted[key] = {month for month in months if self._differ(month).bears_on(month, lasting[key], documents)}
        return wanted

    def _named(self, month: str) -> frozenset[str]:
        """The programs that differ in a month."""
        programs = self._programs.get(month)
        if programs is None:
            programs = self._programs[month] = self._differ(month).programs(month)
        return programs

    def _differ(self, month: str) -> Differences:
        """The differences between the two rulebooks; one object for all months that are decided by the same two."""
        one, other = self._held(month), self._other(month)
        pair = (one.digest, other.digest)
        if pair not in self._differences:
            self._differences[pair] = Differences(one, other)
        return self._differences[pair]

    def _lines(self, month_keys: Sequence[str]) -> dict[str, dict[Key, Stored]]:
        lines: dict[str, dict[Key, Stored]] = {}
        for month_key, identifier, program, practitioner, code, window, status, revision, row, *figures in found(
            self.connection, _LINES, month_keys
        ):
            key = (program, practitioner, code, window)
            lines.setdefault(month_key, {})[key] = Stored(identifier, key, status, revision, parsed(row), *figures)
        return lines

    def _patient(
        self, key: str, months: Sequence[str], histories: Callable[[], Histories], lines: dict[str, dict[Key, Stored]]
    ) -> Iterator[tuple[PatientMonth, Change]]:
        patient, due = key.partition("/")[2], key in self.waiting or REGISTERED in self.waiting
        made, present = histories(), None
        for month in months:
            one = PatientMonth(self.tenant, patient, month)
            stored, scope = lines.get(f"{key}/{month}", NO_LINES), self.closures.get(month, OPEN)
            if due or one.key in self.pending:
                present = present or histories()
                now = decide(present.of(month), month, self.registry, self._held(month)).lines
                stored = carried_out(one, stored, now, scope, self.pending.get(one.key, ()))
            for change in changes(stored, decide(made.of(month), month, self.registry, self._other(month)).lines, scope):
                yield one, change

    def _held(self, month: str) -> Rulebook:
        return self.question.held.at(self.tenant, month)

    def _other(self, month: str) -> Rulebook:
        return self.question.other.at(self.tenant, month)


class _File:
    """The documents of patients' months: each read once, and parsed once it is asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._raw: dict[str, dict[str, bytes]] = {}
        self._facts: dict[str, dict[str, Facts]] = {}
        self._asked: Months = {}

    def read(self, wanted: Months) -> None:
        """Have these months' documents at hand, where there are any."""
        keys = [f"{key}/{month}" for key, months in wanted.items() for month in sorted(months - self._asked.get(key, _NONE))]
        for key, months in wanted.items():
            self._asked.setdefault(key, set()).update(months)
        for month_key, facts in found(self.connection, _MONTHS, keys):
            self._raw.setdefault(month_key[:-8], {})[month_key[-7:]] = facts

    def parsed(self, key: str, months: AbstractSet[str], wanted: Callable[[bytes], bool] = bool) -> dict[str, Facts]:
        """The facts of a patient by month: of these months, as far as they were read and are `wanted`, and of those asked for before."""
        raw, facts = self._raw.get(key, {}), self._facts.setdefault(key, {})
        for month in months & raw.keys() - facts.keys():
            if wanted(raw[month]):
                facts[month] = orjson.loads(raw[month])
        return facts

    def taken(self, key: str, months: AbstractSet[str]) -> dict[str, Facts]:
        """As `parsed`, for the last time: facts take ten times the room of their documents, so only one patient's are kept for long."""
        self.parsed(key, months)
        self._raw.pop(key, None)
        return self._facts.pop(key)


def _named_in(programs: set[str]) -> Callable[[bytes], bool]:
    """Whether a document, as it is stored, may be about one of the programs."""
    names = [b'"%b"' % name.encode() for name in sorted(programs)]
    return lambda facts: any(name in facts for name in names)


def _read(lasting: Facts, months: set[str]) -> set[str]:
    """The months whose documents bear on these."""
    return months.union(*(reading_months(lasting, month) for month in months)) if lasting.get("set_ups") else months


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
