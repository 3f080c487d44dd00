"""Patients with pain management in two months, told at once and then a quarter of an hour more of each while other things go on."""

from collections import defaultdict

from sqlalchemy import func, select

from ledger import Ledger, schema
from ledger.database import reading
from tests.ledger.replays import sums
from tests.scenario_steps import Event, Tenant

PATIENTS = 24


def base() -> list[Event]:
    """Patients with 50 minutes of pain management in March and in April."""
    return Tenant("acme").tell([
        step
        for n in range(PATIENTS)
        for step in (
            f"ready for CPM with dr-{n}, patient P{n}",
            f"person dr-{n} is physician",
            *(f"time 2026-0{month}-02 10:00 for 50:00 by dr-{n} for dr-{n} in CPM, patient P{n}" for month in (3, 4)),
        )
    ])  # fmt: skip


def more() -> list[Event]:
    """Fifteen minutes more of each patient in each month."""
    story = Tenant("acme")
    story.tell([f"time 2026-0{m}-03 10:00 for 15:00 by dr-{n} for dr-{n} in CPM, patient P{n}" for n in range(PATIENTS) for m in (3, 4)])
    return [{**event, "source": "/later"} for event in story.events]


def due(ledger: Ledger) -> int:
    """How much waits to be decided."""
    with reading(ledger.engine) as connection:
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (schema.due, schema.closings))


def addons(ledger: Ledger) -> dict[str, set[int]]:
    """Units of G3003 that the patients come to, by month."""
    found: dict[str, set[int]] = defaultdict(set)
    for key, one in sums(ledger).items():
        if key[5] == "G3003":
            found[key[2]].add(one.units)
    return found


def sets(ledger: Ledger) -> dict[tuple[str, str], set[str]]:
    """The rule sets under which each patient-month stands."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in ledger.lines():
        found[row["patient_id"], row["month"]].add(row["rule_set"])
    return found
