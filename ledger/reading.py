"""What the ledger tells: lines, explanations, decisions, alerts, adjustments, dead letters. Nothing here writes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, RowMapping, func, select

from domain.alerts import ALERT
from domain.decide import Decision, decide
from domain.explanation import explanation
from domain.facts import Registry
from domain.records import history
from domain.rulebook import Rulebook
from domain.settlement import ADJUSTMENT, GONE, PatientMonth, Row
from ledger import registrations, schema
from ledger.booking import conflicts_of
from ledger.database import chunks, reading
from ledger.errors import UnknownPatientError
from ledger.outbox import sent
from ledger.rules import Rules
from ledger.workspace import Workspace

ORDER: Final = ("tenant", "patient_id", "month", "program", "practitioner_id", "code", "date_of_service", "window_start")


def lines(engine: Engine, tenant: str | None, month: str | None, patient: str | None) -> list[Row]:
    """Current lines, filtered, sorted by tenant, patient, month, program, practitioner, code and date of service."""
    t = schema.lines.c
    wanted = [column == value for column, value in ((t.tenant, tenant), (t.month, month), (t.patient, patient)) if value is not None]
    with reading(engine) as connection:
        rows = connection.execute(select(t.row).where(t.status != GONE, *wanted))
        found = [orjson.loads(row) for (row,) in rows]
    return sorted(found, key=lambda row: tuple(row.get(name) or "" for name in ORDER))


class Explained(NamedTuple):
    """An explanation with what it was made of."""

    tree: Row
    decision: Decision
    registry: Registry
    rulebook: Rulebook


def decision_of(connection: Connection, registry: Registry, rulebook: Rulebook, one: PatientMonth) -> Decision | None:
    """The decision on a patient-month, made from the stored facts; None where nothing of the patient is known."""
    patient = f"{one.tenant}/{one.patient}"
    work = Workspace(connection)
    work.load_patients([patient])
    known = work.patients[patient]
    if not known.facts and not known.months:
        return None
    earlier = work.earlier(patient, one.month)
    work.load_months([one.key, *earlier])
    facts = history(
        known.facts,
        work.months[one.key].facts,
        [work.months[k].facts for k in earlier],
        conflicts_of(connection, [patient]).get(patient, []),
    )
    return decide(facts, one.month, registry, rulebook)


def explain(engine: Engine, rules: Rules, one: PatientMonth) -> Explained:
    """The reason tree of a patient-month; UnknownPatientError for a patient of whom nothing is known."""
    with reading(engine) as connection:
        rules.refresh(connection)
        rulebook, registry = rules.at(one.tenant, one.month), registrations.load(connection, one.tenant)
        decision = decision_of(connection, registry, rulebook, one)
        t = schema.lines.c
        listed = [orjson.loads(row) for (row,) in connection.execute(select(t.row).where(t.month_key == one.key, t.status != GONE))]
    if decision is None:
        raise UnknownPatientError(
            "nothing is known of this patient in this tenant; check both ids, and that the patient's events were ingested"
        )
    tree = explanation(one, decision, sorted(listed, key=lambda row: tuple(row.get(n) or "" for n in ORDER)), rulebook)
    return Explained(tree, decision, registry, rulebook)


def events(engine: Engine, after: int) -> Iterator[Row]:
    """All decisions after a position."""
    with reading(engine) as connection:
        yield from sent(connection, after)


def alerts(engine: Engine, tenants: Sequence[str] | None = None, after: int = 0, limit: int | None = None) -> list[Row]:
    """Alerts as their data with id, time and sequence."""
    return [_told(event) for event in page(engine, after, [ALERT], tenants, limit)]


def adjustments(engine: Engine) -> list[Row]:
    """Adjustments as their data with id, time and sequence."""
    return [_told(event) for event in page(engine, 0, [ADJUSTMENT])]


def page(
    engine: Engine, after: int, types: Sequence[str] = (), tenants: Sequence[str] | None = None, limit: int | None = None
) -> list[Row]:
    """Decisions after a position, of these types and tenants, at most so many."""
    with reading(engine) as connection:
        return list(sent(connection, after, types, tenants=tenants, limit=limit))


def tenants(engine: Engine) -> list[str]:
    """The tenants that have an event, sorted; one step in the index for each."""
    t = schema.events.c
    found: list[str] = []
    with reading(engine) as connection:
        while name := connection.execute(select(func.min(t.tenant)).where(t.tenant > (found[-1] if found else ""))).scalar():
            found.append(str(name))
    return found


def tenants_of(engine: Engine, patient: str, among: Sequence[str]) -> list[str]:
    """Those of the tenants that know something of the patient."""
    t = schema.patients.c
    found: set[str] = set()
    with reading(engine) as connection:
        for some in chunks(among):
            found |= {str(key) for (key,) in connection.execute(select(t.key).where(t.key.in_([f"{name}/{patient}" for name in some])))}
    return sorted(key.partition("/")[0] for key in found)


def _told(event: Row) -> Row:
    return {**event["data"], "id": event["id"], "time": event["time"], "sequence": event["sequence"]}


def dead_letters(engine: Engine) -> list[Row]:
    """Parked input, oldest first."""
    t = schema.dead_letters
    with reading(engine) as connection:
        return [_letter(row) for row in connection.execute(select(t).order_by(t.c.seq)).mappings()]


def _letter(row: RowMapping) -> Row:
    letter = {name: row[name] for name in ("id", "reason", "message", "origin")}
    raw: bytes = row["raw"]
    try:
        letter["raw"] = raw.decode("utf-8")
    except UnicodeDecodeError:
        letter["raw_base64"] = b64encode(raw).decode("ascii")
    return {**letter, "tenant": row["tenant"]}
