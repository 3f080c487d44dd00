"""How much one transaction decides."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from domain.records import DAYS, EVERY, ONWARD, weight
from ledger import Ledger, open_ledger, schema
from ledger.database import reading
from tests.scenario_steps import Event, Tenant

PATIENTS = 30
YEAR = 12


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Patients with time in two months, each at a site that is not registered yet; all is decided."""
    with open_ledger("sqlite://") as opened:
        story = Tenant("acme")
        steps = [
            step
            for n in range(PATIENTS)
            for step in (
                f"ready for CCM with dr-lee, patient P{n}",
                *(f"time 2026-0{month}-02 {n % 24:02}:00 for 20:00 by rn-{n} for dr-lee in CCM, at lake, patient P{n}" for month in (2, 3)),
            )
        ]
        taken(opened, story.tell(["site lake in America/New_York", *steps])[1:])
        opened.settle()
        yield opened


def taken(ledger: Ledger, events: list[Event]) -> None:
    """Take events in; nothing is decided yet."""
    ledger.take(ledger.read(("portions", json.dumps(event).encode()) for event in events))


def later(*steps: str) -> list[Event]:
    """The steps' own events, of another source, without the registrations of those they name."""
    story = Tenant("acme")
    story.tell(steps)
    return [{**event, "source": "/later"} for event in story.events]


def due(ledger: Ledger) -> int:
    """How many patients wait."""
    with reading(ledger.engine) as connection:
        return int(connection.execute(select(func.count(schema.due.c.patient_key.distinct()))).scalar_one())


def test_marks_that_stand_for_many_months_are_weighed_as_a_year() -> None:
    assert [weight(mark) for mark in ("2026-03", "-", EVERY, "2026-03" + ONWARD, "2026-03" + DAYS)] == [1, 1, YEAR, YEAR, YEAR]


def test_a_transaction_decides_about_as_many_months_as_it_is_given(ledger: Ledger) -> None:
    """Given a registration that makes all months of thirty patients due, then 36 months at a time are those of three patients."""
    taken(ledger, later("person dr-lee is np, from 2026-02-15"))
    assert ledger.settle_some(3 * YEAR)
    waiting = [due(ledger)]
    while ledger.settle_some(3 * YEAR):
        waiting.append(due(ledger))
    assert waiting == [*range(PATIENTS, 0, -3), 0]
    assert ledger.verify() == []


def test_one_patient_at_least_is_decided(ledger: Ledger) -> None:
    taken(ledger, later("person dr-lee is np, from 2026-02-15"))
    assert ledger.settle_some(1)
    assert ledger.settle_some(1)
    assert due(ledger) == PATIENTS - 1


def test_marks_of_single_months_are_counted_one_by_one(ledger: Ledger) -> None:
    """Given a few minutes more of each patient, then all of them are decided at once."""
    taken(ledger, later(*(f"time 2026-03-10 10:00 for 1:00 by rn-{n} for dr-lee in CCM, patient P{n}" for n in range(PATIENTS))))
    assert due(ledger) == PATIENTS
    assert ledger.settle_some(PATIENTS)
    assert due(ledger) == 0


def test_a_round_decides_everybody_once_however_heavy_the_marks(ledger: Ledger) -> None:
    """A portion that is full with few patients is not taken for the last one."""
    taken(ledger, later("person dr-lee is np, from 2026-02-15"))
    spread, *portions = ledger.settle_round(3 * YEAR, sure=True)
    assert spread
    assert portions == [True] * (PATIENTS // 3)
    assert due(ledger) == 0


def test_two_halves_of_a_round_decide_everybody_between_them(ledger: Ledger) -> None:
    """Given minutes more of each patient, then one half decides the first of them and the other the rest, and nobody is decided by both."""
    taken(ledger, later(*(f"time 2026-03-10 10:00 for 1:00 by rn-{n} for dr-lee in CCM, patient P{n}" for n in range(PATIENTS))))
    first, second = ledger.halves()
    waiting = [due(ledger)]
    for half in (second, first):
        list(ledger.settle_round(4, page=half))
        waiting.append(due(ledger))
    assert waiting == [PATIENTS, PATIENTS // 2 + 1, 0]
    assert ledger.verify() == []


def test_halves_of_a_round_with_registrations_and_closes_leave_nothing(ledger: Ledger) -> None:
    """Whichever half comes first, marks that stand for others, and closes, are come by."""
    taken(ledger, later("person dr-lee is np, from 2026-02-15"))
    first, *second = ledger.halves()
    for half in (*second, first):
        list(ledger.settle_round(3 * YEAR, page=half))
    assert due(ledger) == 0
    assert ledger.verify() == []


def test_of_nothing_there_are_no_halves(ledger: Ledger) -> None:
    assert len(ledger.halves()) == 1
