"""What a patient-month comes to under some rules: those in force, or others that are not. Nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from domain.decide import Decision, decide
from domain.explanation import explanation
from domain.facts import Registry
from domain.lines import Key
from domain.records import history
from domain.rulebook import Rulebook
from domain.settlement import GONE, PatientMonth, Row, Scope, Stored, close, settle
from ledger import registrations, schema
from ledger.booking import conflicts_of
from ledger.errors import UnknownPatientError
from ledger.reading import ORDER
from ledger.rules import Rules
from ledger.settling import stored_line
from ledger.workspace import Workspace

Adjusted = Sequence[tuple[str, str, str, int, int]]
"""What is proposed for closed lines: program, practitioner, code, units and cents."""


class Outlook(NamedTuple):
    """A patient-month under some rules: the reason tree, and what its texts are made from."""

    tree: Row
    decision: Decision
    registry: Registry
    rulebook: Rulebook
    adjusted: Adjusted


def outlook(connection: Connection, rules: Rules, one: PatientMonth) -> Outlook:
    """The lines as they would stand, and why, once these rules hold, waiting closes are carried out and all is decided.

    Raises UnknownPatientError for a patient of whom nothing is known.
    """
    rulebook = rules.at(one.tenant, one.month)
    registry = registrations.load(connection, one.tenant)
    decision = _decision(connection, rulebook, registry, one)
    stored = _stored(connection, one)
    for site in _waiting(connection, one):
        stored |= {line.key: line for line in close(one, stored.values(), site).changed}
    stored |= {line.key: line for line in settle(one, stored, decision.lines, _scope(connection, one), rulebook.id, {}).changed}
    listed = sorted((line.row for line in stored.values() if line.status != GONE), key=lambda row: tuple(row.get(n) or "" for n in ORDER))
    return Outlook(explanation(one, decision, listed, rulebook), decision, registry, rulebook, _adjusted(stored))


def _decision(connection: Connection, rulebook: Rulebook, registry: Registry, one: PatientMonth) -> Decision:
    patient = f"{one.tenant}/{one.patient}"
    work = Workspace(connection)
    work.load_patients([patient])
    known = work.patients[patient]
    if not known.facts and not known.months:
        raise UnknownPatientError(
            "nothing is known of this patient in this tenant; check both ids, and that this is the ledger the plan was made on"
        )
    earlier = work.earlier(patient, one.month)
    work.load_months([one.key, *earlier])
    conflicts = conflicts_of(connection, [patient]).get(patient, [])
    facts = history(known.facts, work.months[one.key].facts, [work.months[key].facts for key in earlier], conflicts)
    return decide(facts, one.month, registry, rulebook)


def _stored(connection: Connection, one: PatientMonth) -> dict[Key, Stored]:
    rows = connection.execute(select(schema.lines).where(schema.lines.c.month_key == one.key)).mappings()
    return {line.key: line for line in map(stored_line, rows)}


def _waiting(connection: Connection, one: PatientMonth) -> list[str | None]:
    """The sites of the closes that wait for the patient-month, in order of the closes."""
    c, t = schema.closings.c, schema.closures.c
    waiting = select(t.site).join(schema.closings, t.seq == c.closure).where(c.month_key == one.key).order_by(t.seq)
    return list(connection.execute(waiting).scalars())


def _scope(connection: Connection, one: PatientMonth) -> Scope:
    t = schema.closures.c
    sites = set(connection.execute(select(t.site).where(t.tenant == one.tenant, t.month == one.month)).scalars())
    return Scope.of(sites)


def _adjusted(stored: dict[Key, Stored]) -> Adjusted:
    changed = sorted(((*line.key[:3], line.adjusted_units, line.adjusted_cents) for line in stored.values()), key=lambda row: row[:3])
    return [row for row in changed if row[3] or row[4]]
