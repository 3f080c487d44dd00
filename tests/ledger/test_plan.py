"""A plan says what putting other rules in force would change: no more, no less, and each time in the same bytes."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from ledger import Ledger, LedgerError, open_ledger
from ledger.database import reading
from ledger.extent import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.generators import Dice
from tests.ledger.crowd import crowd
from tests.ledger.other_rules import (
    FIVE,
    addon_of_20_minutes,
    book,
    ledger_under,
    monitoring_beside_monitoring,
    no_medical_assistants,
    other_prices,
    packaged,
    sixteen_days,
)
from tests.ledger.replays import differing, feed, planned, stories, sums, units_of
from tests.ledger.rule_edits import edited
from tests.scenario_steps import Tenant

Told = tuple[Ledger, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A ledger of stories on each of which one of the five changes bears, and the events; some months are closed."""
    events = stories()
    with open_ledger(f"sqlite:///{tmp_path_factory.mktemp('plan')}/ledger.db") as ledger:
        yield feed(ledger, events), events


def test_unchanged_rules_change_nothing(told: Told) -> None:
    """Given any history, when it is planned under the rules it stands under, then the plan is empty, everything decided or not."""
    ledger, _ = told
    for everything in (False, True):
        plan = planned(ledger, packaged(), everything=everything)
        assert plan.changes == []
        assert plan.document["evaluated"] > 40
        assert plan.document["totals"] == {
            "amount_delta": "0.00", "amounts_unknown": 0, "lines_added": 0, "lines_changed": 0, "lines_removed": 0,
        }  # fmt: skip


def test_a_plan_changes_nothing(told: Told) -> None:
    """Given a ledger, when it is planned, then its lines, decisions and rules are as before, and nothing waits."""
    ledger, _ = told
    before = ledger.lines(), list(ledger.events())
    planned(ledger, book(*FIVE.values()))
    assert (ledger.lines(), list(ledger.events())) == before
    assert ledger.verify() == []


def test_one_process_and_two_write_the_same_bytes(told: Told) -> None:
    ledger, _ = told
    other = book(*FIVE.values())
    plans_made = [make(ledger.engine, other, Scope(), workers=workers) for workers in (1, 2, 2)]
    assert len(plans_made[0]) > 10_000
    assert plans_made == [plans_made[0]] * 3


@pytest.mark.parametrize("seed", range(10))
def test_what_is_not_decided_would_have_come_to_the_same(told: Told, seed: int) -> None:
    """Given any change to the rules, of all months or of some, then deciding everything writes the same bytes."""
    ledger, _ = told
    other = edited(Dice(seed), most=5)
    for scope in (Scope(), Scope(span=Span("2026-02", "2026-02"))):
        assert make(ledger.engine, other, scope, workers=1) == make(ledger.engine, other, scope, workers=1, everything=True)


def test_order_and_duplicates_of_the_events_do_not_show(told: Told) -> None:
    """Given the same events shuffled, a third of them twice, then the plan is the same to the byte; closes bind what came before them."""
    _, events = told
    dice = Random(8)
    closes = [event for event in events if event["type"] == "care.month.closed.v1"]
    others = [event for event in events if event["type"] != "care.month.closed.v1"]
    shuffled = [*others, *dice.sample(others, len(others) // 3)]
    dice.shuffle(shuffled)
    other = book(*FIVE.values())
    with open_ledger("sqlite://") as one, open_ledger("sqlite://") as two:
        feed(feed(one, others), closes)
        feed(feed(two, shuffled, 200), closes[::-1])
        assert make(one.engine, other, Scope()) == make(two.engine, other, Scope())


@pytest.mark.parametrize("events", [crowd(range(200, 208), closes=True), stories(closes=False)], ids=["a crowd", "nothing closed"])
def test_all_five_changes_at_once(events: list[dict[str, Any]]) -> None:
    """Given patients with double bookings among them, or months none of which is closed, then a plan is what two ledgers differ by."""
    other = book(*FIVE.values())
    with open_ledger("sqlite://") as ledger, ledger_under(other) as under:
        expected = differing(sums(feed(ledger, events)), sums(feed(under, events)))
        found = units_of(planned(ledger, other))
    assert expected
    assert {key: found.get(key) for key in expected} == expected


STORY = [
    "ready for CPM with dr-lee",
    "ready for CPM with dr-lee, patient P2",
    *(f"time 2026-0{month}-02 10:00 for 50:00 by dr-lee for dr-lee in CPM" for month in (2, 3, 4)),
    "time 2026-03-03 10:00 for 65:00 by dr-lee for dr-lee in CPM, at south, patient P2",
    "close 2026-02 on 2026-03-02 12:00",
]


@pytest.fixture
def small() -> Iterator[Ledger]:
    """Two patients with pain management, two tenants; one month is closed."""
    with open_ledger("sqlite://") as ledger:
        for tenant in ("acme", "bolt"):
            feed(ledger, Tenant(tenant).tell(STORY))
        yield ledger


def test_the_words_of_a_plan(small: Ledger) -> None:
    """Given add-ons of 20 minutes in place of 15, then the plan names each line, what it comes to, and the sum, as the contract has it."""
    document = planned(small, book(addon_of_20_minutes), Scope("acme")).document
    assert [document["rule_set_from"], document["rule_set_to"][:8], document["months"]] == ["2026.11", "2026.11+", ["2026-02", "2026-04"]]
    assert document["evaluated"] == 4
    assert document["totals"] == {"lines_added": 0, "lines_removed": 0, "lines_changed": 1, "amount_delta": "-31.73", "amounts_unknown": 0}
    assert document["changes"] == [
        {
            "tenant": "acme", "patient_id": "P2", "month": "2026-03", "program": "CPM", "practitioner_id": "dr-lee", "code": "G3003",
            "units_from": 2, "units_to": 1, "amount_from": "63.46", "amount_to": "31.73", "effect": "line", "site_id": "south",
            "date_from": "2026-03-03", "date_to": "2026-03-03",
        }
    ]  # fmt: skip


def test_a_closed_month_is_adjusted_and_an_open_one_changed(small: Ledger) -> None:
    """Given no second unit's price any more, then the line of the closed month is proposed as an adjustment, the open ones change."""

    def an_hour(rules: dict[str, Any]) -> None:
        rules["families"]["cpm"]["track"]["codes"]["G3003"]["minutes"][-1]["value"] = 30

    changes = planned(small, book(an_hour), Scope("acme")).changes
    told_of = [(row["patient_id"], row["month"], row["units_from"], row["units_to"], row["effect"]) for row in changes]
    assert told_of == [
        ("P1", "2026-02", 1, 0, "adjustment"),
        ("P1", "2026-03", 1, 0, "line"),
        ("P1", "2026-04", 1, 0, "line"),
        ("P2", "2026-03", 2, 1, "line"),
    ]


@pytest.mark.parametrize(
    ("scope", "months", "evaluated"),
    [
        (Scope(), {("acme", "2026-02"), ("acme", "2026-03"), ("acme", "2026-04"), *(("bolt", f"2026-0{m}") for m in (2, 3, 4))}, 8),
        (Scope("bolt"), {("bolt", "2026-02"), ("bolt", "2026-03"), ("bolt", "2026-04")}, 4),
        (Scope("acme", Span("2026-03", None)), {("acme", "2026-03"), ("acme", "2026-04")}, 3),
        (Scope("acme", Span(None, "2026-02")), {("acme", "2026-02")}, 1),
        (Scope("acme", Span("2026-03", "2026-03")), {("acme", "2026-03")}, 2),
        (Scope("acme", Span("2025-01", "2025-12")), set(), 0),
    ],
)
def test_a_plan_is_about_its_tenant_and_its_months(small: Ledger, scope: Scope, months: set[tuple[str, str]], evaluated: int) -> None:
    plan = planned(small, book(other_prices_of_cpm), scope)
    assert {(row["tenant"], row["month"]) for row in plan.changes} == months
    assert plan.document["evaluated"] == evaluated
    assert plan.document["scope"] == scope.row()


def other_prices_of_cpm(rules: dict[str, Any]) -> None:
    """Another amount for CPM in 2026."""
    for row in rules["prices"]:
        if row["code"] in {"G3002", "G3003"} and row["from"] == "2026-01-01":
            row["nonfacility"] = "1.00"


def test_a_plan_may_show_one_site_or_one_program(small: Ledger) -> None:
    whole, south, other = (
        planned(small, book(other_prices_of_cpm), scope) for scope in (Scope(), Scope(site="south"), Scope(family="CCM"))
    )
    assert {row["site_id"] for row in whole.changes} == {"north", "south"}
    assert south.changes == [row for row in whole.changes if row["site_id"] == "south"]
    assert south.document["totals"]["lines_changed"] == len(south.changes) > 0
    assert other.changes == []


def test_what_a_ledger_cannot_be_planned_under_is_said(small: Ledger) -> None:
    """Given a ledger without events, an unknown tenant, or a set under which events on file would mean something else."""

    def tracks(rules: dict[str, Any]) -> None:
        cpm = rules["families"]["cpm"]
        cpm["tracks"], cpm["default_track"] = {"staff": cpm.pop("track")}, "staff"

    with open_ledger("sqlite://", own_rules=True) as empty, pytest.raises(LedgerError, match="nothing was ever taken into this ledger"):
        planned(empty, packaged())
    with pytest.raises(LedgerError, match="no event of this tenant"):
        planned(small, packaged(), Scope("coil"))
    with pytest.raises(LedgerError, match="gives CPM tracks where the ledger's events have none"):
        planned(small, book(tracks))


@pytest.mark.parametrize(
    ("late", "count", "changed"),
    [
        ("time 2026-03-04 10:00 for 30:00 by dr-lee for dr-lee in CPM, at south, patient P2", "SELECT count(*) FROM due", (4, 3, "line")),
        ("close 2026-03 on 2026-04-02 12:00", "SELECT count(*) FROM closings", (2, 1, "adjustment")),
    ],
    ids=["time", "a close"],
)
def test_what_waits_in_the_ledger_is_decided_in_the_plan(small: Ledger, late: str, count: str, changed: tuple[int, int, str]) -> None:
    """Given time or a close taken in and not carried out yet, then the plan is that of the ledger once it is settled."""
    other, story = book(addon_of_20_minutes), Tenant("acme")
    story.tell([late])
    small.take(small.read([("late", orjson.dumps({**story.events[0], "source": "/later"}))]))
    with reading(small.engine) as connection:
        assert connection.exec_driver_sql(count).scalar_one() > 0
    before = planned(small, other, Scope("acme"))
    small.settle()
    assert before.document == planned(small, other, Scope("acme")).document
    assert [(row["units_from"], row["units_to"], row["effect"]) for row in before.changes] == [changed]


def test_a_plan_that_was_stopped_goes_on_where_it_was(told: Told, tmp_path: Path) -> None:
    """Given a plan stopped after some parts, then the next run decides only the rest, the bytes are the same, the notes are gone."""
    ledger, _ = told
    other, journal = book(*FIVE.values()), tmp_path / "plan.json.partial"
    whole = make(ledger.engine, other, Scope(), workers=1)

    def stop(done: int, parts: int) -> None:
        assert parts > 10
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(ledger.engine, other, Scope(), workers=1, journal=journal, progress=stop)
    journal.write_bytes(journal.read_bytes() + b'["cut off')
    steps: list[int] = []
    assert make(ledger.engine, other, Scope(), workers=1, journal=journal, progress=lambda done, _: steps.append(done)) == whole
    assert steps[0] == 11
    assert not journal.exists()


def test_notes_of_another_plan_are_not_taken_up(small: Ledger, tmp_path: Path) -> None:
    """Given the notes of a plan that was stopped, when the rules are others or an event came since, then it begins anew."""
    journal = tmp_path / "plan.json.partial"
    one, other = book(no_medical_assistants, monitoring_beside_monitoring), book(sixteen_days, other_prices)

    def stop(_done: int, _parts: int) -> None:
        raise KeyboardInterrupt

    for change in (lambda: None, lambda: feed(small, Tenant("coil").tell(STORY))):
        with pytest.raises(KeyboardInterrupt):
            make(small.engine, one, Scope(), journal=journal, progress=stop)
        change()
        rules = one if change() is not None else other
        assert make(small.engine, rules, Scope(), journal=journal) == make(small.engine, rules, Scope())
