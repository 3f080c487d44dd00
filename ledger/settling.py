"""Deciding what is due: read a patient-month's facts, decide, compare with what stands, write what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Connection, RowMapping, delete, select

from domain.alerts import adjustment_alerts, alerts, conflicts_in
from domain.decide import Decision, decide
from domain.facts import Conflict, Entry, Registry, Visit
from domain.lines import AWAITING_CLOSE, READY, Key
from domain.progress import PROGRESS, progress
from domain.records import Facts, history, latest_time, only_readings
from domain.settlement import GONE, Out, PatientMonth, Scope, Stored, close, settle
from ledger import registrations, schema
from ledger.booking import conflicts_coming, times_of
from ledger.database import found, sought, upsert_all
from ledger.keys import one_of
from ledger.marks import ROSTER_DUE, Causes
from ledger.marks import Key as MonthKey
from ledger.outbox import Outbox, mark_of
from ledger.registrations import Standing
from ledger.rosters import tell_rosters
from ledger.rules import Rules
from ledger.workspace import Workspace

_LINES: Final = select(schema.lines).where(one_of(schema.lines.c.month_key))
_COLUMNS: Final = tuple(column.name for column in schema.lines.columns)
_WAITING: Final = (
    delete(schema.closings).where(one_of(schema.closings.c.month_key)).returning(schema.closings.c.month_key, schema.closings.c.closure)
)


class Settlement:
    """One transaction's deciding: everything it needs is loaded in bulk, everything it changes written in bulk."""

    def __init__(
        self,
        connection: Connection,
        work: Workspace,
        rules: Rules,
        outbox: Outbox,
        known: dict[str, tuple[int, Standing]] | None = None,
    ) -> None:
        """`known` is what binds a tenant's patients with the version it is of, kept from one transaction to the next.

        A transaction that itself takes registrations in does without: what it reads may be rolled back.
        """
        self.connection = connection
        self.work = work
        self.rules = rules
        self.outbox = outbox
        self.known = known
        self.standings: dict[str, Standing] = {}
        self.stored: dict[str, dict[Key, Stored]] = {}
        self.changed: dict[str, tuple[PatientMonth, Stored]] = {}
        self.conflicts: dict[str, list[Conflict]] = {}
        self.booked: dict[str, list[tuple[str, int]]] = {}

    def run(self, marks: Causes) -> None:
        """Tell rosters that are due, decide these patient-months; no close waits for one of them."""
        rosters = sorted(patient for patient, month in marks if month == ROSTER_DUE)
        keys = sorted(key for key in marks if key[1] != ROSTER_DUE)
        standings = self._standings({patient.partition("/")[0] for patient, _ in marks})
        self._load(keys)
        self.standings |= standings()
        tell_rosters(rosters, self.work, self._registry, self._named, self.outbox, self.rules)
        for patient, month in keys:
            tenant, _, subject = patient.partition("/")
            self._decide(PatientMonth(tenant, subject, month), marks[patient, month])
        self._save()

    def close(self, month_keys: list[str]) -> None:
        """Carry out the closes that wait for these patient-months, on the lines as they stand."""
        months = [PatientMonth(*key.split("/")) for key in sorted(month_keys)]
        self._keep_lines(month_keys, found(self.connection, _LINES, month_keys))
        pending = self._pending(month_keys)
        open_lines = [one for one in months if any(line.status in (READY, AWAITING_CLOSE) for line in self.stored[one.key].values())]
        self._load_documents([(f"{one.tenant}/{one.patient}", one.month) for one in open_lines])
        for one in open_lines:
            self._carry_out(one, pending[one.key])
        self._save()

    def _load(self, keys: list[MonthKey]) -> None:
        month_keys = [f"{patient}/{month}" for patient, month in keys]
        lines = sought(self.connection, _LINES, month_keys)
        self._load_documents(keys)
        self._keep_lines(month_keys, lines())

    def _load_documents(self, keys: list[MonthKey]) -> None:
        self.work.load_patients({patient for patient, _ in keys})
        wanted = {f"{patient}/{month}" for patient, month in keys}
        for patient, month in keys:
            if self.work.patients[patient].facts.get("set_ups"):
                wanted.update(self.work.earlier(patient, month))
        months = self.work.months_coming(wanted)
        conflicts = conflicts_coming(self.connection, {patient for patient, _ in keys})
        months()
        self.conflicts = conflicts()
        self.booked = times_of(self.connection, self.conflicts)

    def _keep_lines(self, month_keys: list[str], rows: Iterable[Any]) -> None:
        self.stored = {key: {} for key in month_keys}
        for values in rows:
            row = dict(zip(_COLUMNS, values, strict=True))
            stored = stored_line(row)
            self.stored[row["month_key"]][stored.key] = stored

    def _pending(self, month_keys: list[str]) -> dict[str, set[int]]:
        """The numbers of the closes that wait for each of the patient-months; they wait no longer."""
        pending: dict[str, set[int]] = {}
        for key, number in found(self.connection, _WAITING, month_keys):
            pending.setdefault(key, set()).add(number)
        return pending

    def _standings(self, tenants: set[str]) -> Callable[[], dict[str, Standing]]:
        """What binds the patients of tenants that are new here, when it is called for."""
        return registrations.standings(self.connection, tenants - self.standings.keys(), self.known)

    def _standing(self, tenant: str) -> Standing:
        if tenant not in self.standings:
            self.standings |= self._standings({tenant})()
        return self.standings[tenant]

    def _closures(self, tenant: str, month: str) -> list[tuple[int, str | None, int]]:
        return self._standing(tenant).closures.get(month, [])

    def _registry(self, tenant: str) -> Registry:
        return self._standing(tenant).registry

    def _carry_out(self, one: PatientMonth, numbers: set[int]) -> None:
        for number, site, _ in self._closures(one.tenant, one.month):
            if number in numbers:
                outcome = close(one, self.stored[one.key].values(), site)
                self._keep(one, outcome.changed)
                if outcome.out:
                    self.outbox.send(one, outcome.out, self._time(one))

    def _decide(self, one: PatientMonth, causes: set[str]) -> None:
        patient = f"{one.tenant}/{one.patient}"
        lasting, monthly = self.work.patients[patient].facts, self.work.months[one.key]
        earlier = self._earlier(patient, one.month)
        facts, registry = history(lasting, monthly.facts, earlier, self.conflicts.get(patient, [])), self._registry(one.tenant)
        rulebook = self.rules.at(one.tenant, one.month)
        decision = decide(facts, one.month, registry, rulebook)
        scope = self._scope(one)
        cause, acts = self.rules.cause(causes, rulebook.id), self.rules.acts(causes)
        outcome = settle(one, self.stored[one.key], decision.lines, scope, rulebook.id, cause, self._undone(causes))
        self._keep(one, outcome.changed)
        conflicts = conflicts_in(one.month, facts, registry)
        out = [*outcome.out, *alerts(one, decision, scope, conflicts, monthly.state), *adjustment_alerts(outcome.out)]
        out += self._progress(one, decision, monthly.state)
        if out:
            monthly.changed = True
            self.work.know_month(patient, one.month)
            self.outbox.send(one, out, max(self._time(one), *(act.at for act in acts), 0))

    def _undone(self, causes: Iterable[str]) -> Mapping[str, int]:
        """What was proposed since rules were put in force that are taken back now: US cents by line id."""
        return self.rules.undone(self.connection, [act for act in self.rules.acts(causes) if act.reverts is not None])

    def _earlier(self, patient: str, month: str) -> list[Facts]:
        """Documents of the earlier months whose readings bear on the month."""
        if not self.work.patients[patient].facts.get("set_ups"):
            return []
        return [self.work.months[key].facts for key in self.work.earlier(patient, month)]

    def _time(self, one: PatientMonth) -> int:
        """The greatest recording time of what a decision on the month rests on: a function of the set of events, not of their order.

        It is that of the patient's lasting facts, the month's entries and the readings of its windows, of what took any of them out,
        of the sites and people the patient's facts name, of time the month is double-booked with, of the month's closes, and when it was
        said which rules hold for it.
        """
        patient = f"{one.tenant}/{one.patient}"
        document, monthly = self.work.patients[patient], self.work.months[one.key].facts
        readings = map(only_readings, self._earlier(patient, one.month))
        return max(
            latest_time(document.facts, monthly, *readings),
            *self._named(patient),
            *(time for _, _, time in self._closures(one.tenant, one.month)),
            *self.rules.times(one.tenant, one.month),
            *self._double_booked(patient, document.facts, monthly),
            0,
        )

    def _named(self, patient: str) -> list[int]:
        """When the sites and people that the patient's facts name were registered, or a registration of them taken out."""
        registered = self._standing(patient.partition("/")[0]).times
        return [registered.get(subject, 0) for subject in self.work.patients[patient].references]

    def _double_booked(self, patient: str, lasting: Facts, monthly: Facts) -> list[int]:
        """When the time was recorded that entries of the month, and visits, are in conflict with."""
        if patient not in self.booked:
            return []
        mine = {Entry._make(row).identity for row in monthly.get("entries", ())} | {
            Visit._make(row).identity for row in lasting.get("visits", ())
        }
        return [time for identity, time in self.booked[patient] if identity in mine]

    def _scope(self, one: PatientMonth) -> Scope:
        closures = self._closures(one.tenant, one.month)
        return Scope.of([site for _, site, _ in closures]) if closures else Scope()

    def _progress(self, one: PatientMonth, decision: Decision, state: dict[str, Any]) -> Iterator[Out]:
        """The month's progress where it changed; numbered, so that each has an id of its own."""
        standing = [s for s in self.stored[one.key].values() if s.status != GONE]
        if not decision.programs and not standing and "progress" not in state:
            return
        data = progress(one, decision, standing)
        mark = mark_of(data)
        if state.get("progress") != mark:
            state["progress"] = mark
            state["steps"] = state.get("steps", 0) + 1
            yield Out(PROGRESS, f"{one.key}/{state['steps']}", data)

    def _keep(self, one: PatientMonth, changed: Iterable[Stored]) -> None:
        for stored in changed:
            self.stored[one.key][stored.key] = stored
            self.changed[stored.line_id] = (one, stored)

    def _save(self) -> None:
        upsert_all(self.connection, schema.lines, [line_record(one, stored) for one, stored in self.changed.values()])
        self.changed = {}
        self.work.save()


def stored_line(row: Mapping[str, Any] | RowMapping) -> Stored:
    """A line as the ledger keeps it."""
    return Stored(
        row["line_id"], (row["program"], row["practitioner"], row["code"], row["window"]), row["status"], row["revision"],
        orjson.loads(row["row"]), row["closed_units"], row["closed_cents"], row["closed_site"],
        row["adjusted_units"], row["adjusted_cents"],
    )  # fmt: skip


def line_record(one: PatientMonth, stored: Stored) -> dict[str, Any]:
    """The row of a line."""
    program, practitioner, code, window = stored.key
    return {
        "line_id": stored.line_id, "month_key": one.key, "tenant": one.tenant, "patient": one.patient, "month": one.month,
        "program": program, "practitioner": practitioner, "code": code, "window": window, "status": stored.status,
        "revision": stored.revision, "row": orjson.dumps(stored.row), "closed_units": stored.closed_units,
        "closed_cents": stored.closed_cents, "closed_site": stored.closed_site, "adjusted_units": stored.adjusted_units,
        "adjusted_cents": stored.adjusted_cents,
    }  # fmt: skip
