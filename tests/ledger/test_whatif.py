"""Plans of other facts: what would stand if a source had not spoken, or if nothing later had been known."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.instants import parse_instant
from ledger import Ledger, LedgerError, applying, open_ledger, planning, plans, whatif
from ledger.applying import Word
from ledger.extent import Span
from ledger.plan_parts import Scope
from tests.ledger.other_rules import book, other_prices
from tests.ledger.test_attacks import Event, close, retraction, time
from tests.ledger.test_time_and_cause import consent, feed, person, site


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    with open_ledger(store) as opened:
        feed(opened, site(), person(), consent(), time("t1", "02T10:00", "02T10:20"))
        yield opened


def from_timer(one: Event) -> Event:
    return {**one, "source": "/timer"}


def plan(ledger: Ledger, *without: str, as_of: str | None = None, scope: Scope | None = None) -> dict[str, Any]:
    facts = whatif.Facts(without, parse_instant(as_of) if as_of else None)
    return plans.parse(whatif.make(ledger.engine, None, scope or Scope(), facts)).document


def told(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    names = ("month", "code", "units_from", "units_to", "amount_from", "amount_to", "effect")
    return [tuple(change[name] for name in names) for change in document["changes"]]


def test_given_all_facts_when_nothing_is_left_out_then_the_plan_is_empty(ledger: Ledger) -> None:
    assert told(plan(ledger, as_of="2030-01-01T00:00:00Z")) == []


def test_given_time_of_a_source_when_the_source_is_left_out_then_its_units_go(ledger: Ledger) -> None:
    feed(ledger, from_timer(time("t2", "03T10:00", "03T10:20")))

    assert told(plan(ledger, "/timer")) == [("2026-03", "99458", 1, 0, "41.42", "0.00", "line")]


def test_given_a_retraction_recorded_later_when_asked_as_of_before_then_what_it_took_out_counts(ledger: Ledger) -> None:
    feed(ledger, retraction("r1", "t1"))
    assert ledger.lines() == []

    changes = told(plan(ledger, as_of="2026-04-01T00:00:00Z"))

    assert [(code, units_from, units_to) for _, code, units_from, units_to, *_ in changes] == [("99457", 0, 1)]


def test_given_a_closed_month_when_a_late_source_is_left_out_then_the_sum_of_close_and_adjustments_is_compared(ledger: Ledger) -> None:
    feed(ledger, close())
    feed(ledger, from_timer(time("t2", "03T10:00", "03T10:40")))

    changes = told(plan(ledger, "/timer"))

    assert [(code, units_from, units_to, effect) for _, code, units_from, units_to, _, _, effect in changes] == [
        ("99458", 2, 0, "adjustment"),
    ]


def test_months_outside_the_span_are_not_told(ledger: Ledger) -> None:
    assert told(plan(ledger, "/ehr", scope=Scope(None, Span("2026-04", None)))) == []


def test_an_unknown_source_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no event of the source /nowhere"):
        plan(ledger, "/nowhere")


def test_the_ledger_itself_is_as_it_was(ledger: Ledger) -> None:
    before = list(ledger.events())
    plan(ledger, "/ehr")
    assert (list(ledger.events()), ledger.verify()) == (before, [])


def test_such_a_plan_cannot_be_carried_out(ledger: Ledger) -> None:
    raw = whatif.make(ledger.engine, None, Scope(), whatif.Facts(("/ehr",)))
    with pytest.raises(LedgerError, match="compares facts and not rules"):
        applying.apply(ledger.engine, plans.parse(raw), Word("kim", "a test", 0), settle=ledger.settle)


def test_a_plan_carried_out_is_no_other_fact(ledger: Ledger) -> None:
    """Lines closed under rules that no longer hold are compared by what they come to."""
    feed(ledger, close())
    raw = planning.make(ledger.engine, book(other_prices), Scope())
    applying.apply(ledger.engine, plans.parse(raw), Word("kim", "a test", 0), settle=ledger.settle)
    assert told(plan(ledger, as_of="2030-01-01T00:00:00Z")) == []
