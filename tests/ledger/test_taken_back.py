"""What is taken back with rules is what was proposed under them, where the price is unknown again."""

from collections.abc import Iterator

import pytest

from ledger import Ledger, open_ledger
from ledger.extent import Span
from ledger.plan_parts import Scope
from tests.ledger.other_rules import Document, Edit, book
from tests.ledger.pain import later
from tests.ledger.replays import applied, feed, planned, reverted, sums
from tests.scenario_steps import Tenant


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    """G3002 closed in February 2024; then a unit of G3003 was proposed, then the site moved to where no price is known."""
    with open_ledger(store) as opened:
        month = [
            "ready for CPM with dr-lee",
            "time 2024-02-12 10:00 for 45:00 by dr-lee for dr-lee in CPM",
            "close 2024-02 on 2024-03-02 12:00",
        ]
        feed(opened, Tenant("acme").tell(month))
        feed(opened, later("acme", "time 2024-02-20 10:00 for 15:00 by dr-lee for dr-lee in CPM"))
        moved = later("acme", "site north in America/New_York, pos 22, from 2024-01-01")
        feed(opened, [{**event, "source": "/registry-later"} for event in moved])
        yield opened


def without_prices(code: str) -> Edit:
    def edit(rules: Document) -> None:
        rules["prices"] = [row for row in rules["prices"] if row["code"] != code]

    return edit


def test_what_an_event_proposed_before_is_not_taken_back(ledger: Ledger) -> None:
    before = sums(ledger)
    assert any(row["amount_delta"] == "29.80" for row in ledger.adjustments())

    plan = planned(ledger, book(without_prices("99484")), Scope("acme", Span("2024-04", None)))
    applied(ledger, plan)
    reverted(ledger, plan)

    assert (sums(ledger), ledger.verify()) == (before, [])


def test_under_rules_that_had_lost_the_price_nothing_more_is_taken_back(ledger: Ledger) -> None:
    applied(ledger, planned(ledger, book(without_prices("G3003")), Scope("acme")))
    before = sums(ledger)

    plan = planned(ledger, book(), Scope("acme"))
    applied(ledger, plan)
    reverted(ledger, plan)

    assert (sums(ledger), ledger.verify()) == (before, [])
