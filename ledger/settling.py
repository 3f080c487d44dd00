"""Deciding what is due: read a patient-month's facts, decide, compare with what stands, write what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, delete, select

from domain.alerts import adjustment_alerts, alerts, conflicts_in
from domain.decide import Decision, decide
from domain.facts import Conflict, Registry
from domain.lines import Key
from domain.progress import PROGRESS, progress
from domain.records import history, latest_time
from domain.rulebook import Rulebook
from domain.settlement import GONE, Out, PatientMonth, Row, Scope, Stored, close, settle
from ledger import registrations, schema
from ledger.booking import conflicts_of
from ledger.database import found, upsert_all
from ledger.keys import one_of
from ledger.marks import ROSTER_DUE, Cause
from ledger.marks import Key as MonthKey
from ledger.outbox import Outbox
from ledger.rosters import tell_rosters
from ledger.workspace import Workspace


class Settlement:
    """One transaction's deciding: everything it needs is loaded in bulk, everything it changes written in bulk."""

    def __init__(
        self,
        connection: Connection,
        work: Workspace,
        rulebook: Rulebook,
        outbox: Outbox,
        known: dict[str, tuple[int, Registry]] | None = None,
    ) -> None:
        """`known` are registries by tenant with the version they are of, kept from one transaction to the next.

        A transaction that itself takes registrations in does without: what it reads may be rolled back.
        """
        self.connection = connection
        self.work = work
        self.rulebook = rulebook
        self.outbox = outbox
        self.known = known
        self.registries: dict[str, Registry] = {}
        self.closures: dict[tuple[str, str], list[tuple[int, str | None, int]]] = {}
        self.stored: dict[str, dict[Key, Stored]] = {}
        self.changed: dict[str, tuple[PatientMonth, Stored]] = {}
        self.conflicts: dict[str, list[Conflict]] = {}
        self.pending: dict[str, list[int]] = {}

    def run(self, marks: Mapping[MonthKey, set[Cause]]) -> None:
        """Tell rosters that are due; carry out closes that wait for these patient-months, then decide them."""
        rosters = {patient: causes for (patient, month), causes in marks.items() if month == ROSTER_DUE}
        tell_rosters(rosters, self.work, self._registry, self.rulebook, self.outbox)
        keys = sorted(key for key in marks if key[1] != ROSTER_DUE)
        self._load(keys)
        for patient, month in keys:
            tenant, _, subject = patient.partition("/")
            one = PatientMonth(tenant, subject, month)
            self._carry_out(one)
            self._decide(one, marks[patient, month])
        self._save()

    def close(self, month_keys: list[str]) -> None:
        """Carry out the closes that wait for these patient-months."""
        months = [PatientMonth(*key.split("/")) for key in sorted(month_keys)]
        self._load_lines([one.key for one in months])
        for one in months:
            self._carry_out(one)
        self._save()

    def _load(self, keys: list[MonthKey]) -> None:
        self.work.load_patients({patient for patient, _ in keys})
        wanted = {f"{patient}/{month}" for patient, month in keys}
        for patient, month in keys:
            if self.work.patients[patient].facts.get("set_ups"):
                wanted.update(self.work.earlier(patient, month))
        self.work.load_months(wanted)
        self.conflicts = conflicts_of(self.connection, {patient for patient, _ in keys})
        self._load_lines([f"{patient}/{month}" for patient, month in keys])

    def _load_lines(self, month_keys: list[str]) -> None:
        t = schema.lines.c
        self.stored = {key: {} for key in month_keys}
        for row in found(self.connection, select(schema.lines).where(one_of(t.month_key)), month_keys):
            stored = stored_line(row._mapping)
            self.stored[row.month_key][stored.key] = stored
        c = schema.closings.c
        waiting = select(c.month_key, c.closure).where(one_of(c.month_key)).order_by(c.closure)
        for key, number in found(self.connection, waiting, month_keys):
            self.pending.setdefault(key, []).append(number)

    def _closures(self, tenant: str, month: str) -> list[tuple[int, str | None, int]]:
        key = (tenant, month)
        if key not in self.closures:
            t = schema.closures.c
            rows = self.connection.execute(select(t.seq, t.site, t.time).where(t.tenant == tenant, t.month == month).order_by(t.seq))
            self.closures[key] = [(number, site, time) for number, site, time in rows]
        return self.closures[key]

    def _registry(self, tenant: str) -> Registry:
        if tenant not in self.registries:
            self.registries[tenant] = registrations.current(self.connection, tenant, self.known)
        return self.registries[tenant]

    def _carry_out(self, one: PatientMonth) -> None:
        """Closes come before any later change, on the lines as they stand."""
        numbers = self.pending.pop(one.key, ())
        for number, site, time in self._closures(one.tenant, one.month) if numbers else ():
            if number in numbers:
                outcome = close(one, self.stored[one.key].values(), site)
                self._keep(one, outcome.changed)
                self.outbox.send(one, outcome.out, time)
        if numbers:
            c = schema.closings.c
            self.connection.execute(delete(schema.closings).where(c.month_key == one.key))

    def _decide(self, one: PatientMonth, causes: set[Cause]) -> None:
        patient = f"{one.tenant}/{one.patient}"
        lasting, monthly = self.work.patients[patient].facts, self.work.months[one.key]
        earlier = [self.work.months[key].facts for key in self.work.earlier(patient, one.month)] if lasting.get("set_ups") else []
        facts, registry = history(lasting, monthly.facts, earlier, self.conflicts.get(patient, [])), self._registry(one.tenant)
        decision = decide(facts, one.month, registry, self.rulebook)
        scope = self._scope(one)
        cause: Row = {"events": sorted(c.identity.replace("\t", "|") for c in causes)}
        outcome = settle(one, self.stored[one.key], decision.lines, scope, self.rulebook.id, cause)
        self._keep(one, outcome.changed)
        conflicts = conflicts_in(one.month, facts, registry)
        out = [*outcome.out, *alerts(one, decision, scope, conflicts, monthly.state), *adjustment_alerts(outcome.out)]
        out += self._progress(one, decision, monthly.state)
        if out:
            monthly.changed = True
            self.work.know_month(patient, one.month)
            self.outbox.send(one, out, self._time(one, lasting, monthly.facts, causes))

    def _time(self, one: PatientMonth, lasting: Any, monthly: Any, causes: set[Cause]) -> int:
        """The greatest recording time of what the decision rests on."""
        closed = [time for _, _, time in self._closures(one.tenant, one.month)]
        return max(latest_time(lasting, monthly), *(c.time for c in causes), *closed)

    def _scope(self, one: PatientMonth) -> Scope:
        closures = self._closures(one.tenant, one.month)
        return (
            Scope(any(site is None for _, site, _ in closures), frozenset(site for _, site, _ in closures if site)) if closures else Scope()
        )

    def _progress(self, one: PatientMonth, decision: Decision, state: dict[str, Any]) -> Iterator[Out]:
        """The month's progress where it changed; numbered, so that each has an id of its own."""
        standing = [s for s in self.stored[one.key].values() if s.status != GONE]
        if not decision.programs and not standing and "progress" not in state:
            return
        data = progress(one, decision, standing)
        mark = blake2b(orjson.dumps(data), digest_size=8).hexdigest()
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


def stored_line(row: RowMapping) -> Stored:
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
