"""A plan carried out is what was shown; taken back, all comes to what it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger, LedgerError, activations, applying, open_ledger, plans
from ledger.database import reading
from ledger.extent import Span
from ledger.plan_parts import Scope
from tests.ledger.other_rules import FIVE, addon_of_20_minutes, book, ledger_under, other_prices, packaged
from tests.ledger.pain import LATE, PRICES, STORY, TWENTY, addons, filled, later
from tests.ledger.replays import (
    WORD,
    Row,
    applied,
    differing,
    feed,
    figures,
    key_of,
    planned,
    reverted,
    stories,
    sums,
    units_of,
)
from tests.scenario_steps import Tenant


def holds_as(ledger: Ledger, wanted: Ledger) -> None:
    """Both come to the same, and neither differs from its events."""
    assert ledger.verify() == []
    assert differing(sums(ledger), sums(wanted)) == {}


@pytest.mark.parametrize("change", FIVE)
def test_carried_out_and_taken_back(change: str) -> None:
    """Given the same events in a ledger under each rule set, some months closed, then a plan lists the lines that differ.

    Carried out, all is as under the other rules; taken back, as it was.
    """
    other, events = book(FIVE[change]), stories()
    with open_ledger("sqlite://") as ledger, ledger_under(other) as under:
        before, lines = sums(feed(ledger, events)), figures(ledger)
        expected, plan = differing(before, sums(feed(under, events))), planned(ledger, other)
        found = units_of(plan)
        assert expected
        assert {key: found.get(key) for key in expected} == expected
        assert {key for key, (was, now) in found.items() if was != now} <= expected.keys()
        assert plan.document == planned(ledger, other, everything=True).document
        row = applied(ledger, plan)
        assert (row.plan, row.by, row.reason, row.at) == (plan.digest, *WORD)
        holds_as(ledger, under)
        assert planned(ledger, other).changes == []
        reverted(ledger, plan)
        assert ledger.verify() == []
        assert sums(ledger) == before
        assert figures(ledger) == lines


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Such a ledger in memory."""
    with filled("sqlite://") as opened:
        yield opened


@pytest.fixture
def stored(store: str) -> Iterator[Ledger]:
    """Such a ledger in a SQLite file, and in a Postgres."""
    with filled(store) as opened:
        yield opened


def sets(ledger: Ledger, tenant: str) -> dict[str, str]:
    """The rule set on the lines of each open month of P1."""
    return {row["month"]: row["rule_set"][:8] for row in ledger.lines(tenant, None, "P1") if row["status"] != "closed"}


def test_what_is_proposed_says_why(stored: Ledger) -> None:
    """Given a rule found wrong after the close, then the closed line stands, the adjustment names rule set and plan, later the revert."""
    closed = [row for row in stored.lines() if row["status"] == "closed"]
    plan = planned(stored, TWENTY, Scope("acme"))
    applied(stored, plan)
    name = f"2026.11+{TWENTY.digest[:8]}"
    (down,) = stored.adjustments()
    assert [down[n] for n in ("month", "code", "units_delta", "amount_delta", "kind")] == ["2026-02", "G3003", -1, "-31.73", "overpayment"]
    assert down["cause"] == {"rule_set": name, "plan": plan.digest}
    assert [alert["kind"] for alert in stored.alerts()].count("adjustment_proposed") == 1
    back = reverted(stored, plan)
    _, up = stored.adjustments()
    assert [up[n] for n in ("month", "code", "units_delta", "amount_delta", "kind")] == ["2026-02", "G3003", 1, "31.73", "underpayment"]
    assert up["cause"] == {"rule_set": "2026.11", "plan": plan.digest, "reverts": back.reverts}
    assert [row for row in stored.lines() if row["status"] == "closed"] == closed
    assert stored.verify() == []


@pytest.mark.parametrize(
    ("scope", "other"),
    [
        (Scope("acme"), {"acme": "234"}),
        (Scope(None, Span("2026-03", None)), {"acme": "34", "bolt": "34"}),
        (Scope(None, Span(None, "2026-03")), {"acme": "23", "bolt": "23"}),
        (Scope("bolt", Span("2026-03", "2026-03")), {"bolt": "3"}),
    ],
    ids=["a tenant", "from a month on", "to a month", "a month of a tenant"],
)
def test_rules_hold_for_tenant_and_months_also_for_what_comes_late(ledger: Ledger, scope: Scope, other: dict[str, str]) -> None:
    """Given a plan for a tenant or some months, then these, and no others, stand under its rules, time that comes later included."""
    applied(ledger, planned(ledger, TWENTY, scope))
    for more in (0, 1):
        for tenant in ("acme", "bolt"):
            months = {f"2026-0{month}" for month in other.get(tenant, "")}
            assert addons(ledger, tenant) == {f"2026-0{m}": (1 if f"2026-0{m}" in months else 2) + more for m in (2, 3, 4)}
            assert sets(ledger, tenant) == {f"2026-0{m}": "2026.11+" if f"2026-0{m}" in months else "2026.11" for m in (3, 4)}
            if not more:
                feed(ledger, later(tenant, *LATE))
    assert ledger.verify() == []


def test_a_program_with_the_first_rules_goes_on_and_one_with_others_does_not(tmp_path: Path) -> None:
    """Given a plan carried out, then the program that carries the rules from before works on under those that hold; others refuse."""
    store = f"sqlite:///{tmp_path}/ledger.db"
    with filled(store) as ledger:
        applied(ledger, planned(ledger, TWENTY))
    with open_ledger(store) as again:
        feed(again, later("acme", *LATE))
        assert addons(again, "acme") == {"2026-02": 2, "2026-03": 2, "2026-04": 2}
        assert again.verify() == []
    other = tmp_path / "rules"
    other.mkdir()
    (other / "ruleset.yaml").write_text(f'extends: {Path(plans.__file__).parents[1] / "domain" / "rules"}\nid: "mine"\n')
    with open_ledger(store, other) as wrong, pytest.raises(LedgerError, match="this program carries mine"):
        feed(wrong, later("bolt", *LATE))


def test_a_roster_is_told_by_the_rules_of_its_own_tenant(store: str) -> None:
    """Given other rules for three months of one tenant, then what is told of patients of the others rests on none of them."""

    def forty_minutes(rules: Row) -> None:
        for version in rules["families"]["cpm"]["track"]["codes"]["G3002"]["minutes"]:
            version["value"] = 40

    with open_ledger(store) as ledger:
        for tenant in ("acme", "bolt"):
            feed(ledger, Tenant(tenant).tell(["ready for CPM with dr-lee"]))
        applied(ledger, planned(ledger, book(forty_minutes), Scope("acme", Span("2026-01", "2026-03"))))
        assert ledger.verify() == []
    with open_ledger(store) as ledger:
        feed(ledger, [event for tenant in ("acme", "bolt") for event in later(tenant, "consent for CPM with dr-lee on 2026-03-20 09:00")])
        rosters = {event["tenant"]: event["data"]["programs"][0]["months"] for event in ledger.events() if "roster" in event["type"]}
        assert {tenant: [row["next"]["seconds_needed"] for row in months if row["next"]] for tenant, months in rosters.items()} == {
            "acme": [1800, 2400, 1800],
            "bolt": [1800],
        }
        assert ledger.verify() == []


def test_carried_out_twice_is_carried_out_once(ledger: Ledger) -> None:
    plan = planned(ledger, TWENTY, Scope("acme"))
    row = applied(ledger, plan)
    decisions = list(ledger.events())
    assert applied(ledger, plan) == row
    assert list(ledger.events()) == decisions


def test_taken_back_twice_is_taken_back_once_and_a_new_plan_can_follow(stored: Ledger) -> None:
    """Given a plan taken back, then it cannot be carried out again, but the same rules can be planned anew, carried out and taken back."""
    plan = planned(stored, TWENTY, Scope("acme"))
    before = sums(stored)
    applied(stored, plan)
    back = reverted(stored, plan)
    assert reverted(stored, plan) == back
    with pytest.raises(LedgerError, match="carried out and taken back; make a new one"):
        applied(stored, plan)
    again = planned(stored, TWENTY, Scope("acme"))
    assert again.changes == plan.changes
    applied(stored, again)
    assert addons(stored, "acme") == {"2026-02": 1, "2026-03": 1, "2026-04": 1}
    reverted(stored, again)
    assert sums(stored) == before
    assert stored.verify() == []


def test_what_lies_under_a_later_activation_is_not_taken_back(stored: Ledger) -> None:
    """Given two plans for overlapping months, then the later one is to be taken back first; of others the order does not matter."""
    plan = planned(stored, TWENTY, Scope("acme", Span("2026-02", "2026-03")))
    first = applied(stored, plan)
    over = planned(stored, PRICES, Scope(None, Span("2026-03", None)))
    applied(stored, over)
    with pytest.raises(LedgerError, match=f"activation 3 came later and is about some of the same months.*its plan is {over.digest}"):
        reverted(stored, plan)
    beside = planned(stored, PRICES, Scope("bolt", Span(None, "2026-02")))
    applied(stored, beside)
    reverted(stored, over)
    assert reverted(stored, plan).reverts == first.seq
    assert addons(stored, "acme") == {"2026-02": 2, "2026-03": 2, "2026-04": 2}
    assert stored.verify() == []


@pytest.mark.parametrize("named", ["", "zz"])
def test_what_was_never_carried_out_is_not_taken_back(ledger: Ledger, named: str) -> None:
    with pytest.raises(LedgerError, match="those carried out are: none"):
        applying.revert(ledger.engine, named, WORD, settle=ledger.settle)


def test_prices_that_are_not_known_come_and_go_without_a_trace(stored: Ledger) -> None:
    """Given other rules without a price for the add-on, in closed months and open ones, then taken back all amounts are as they were."""
    before, lines = sums(stored), figures(stored)
    plan = planned(stored, book(addon_of_20_minutes, other_prices))
    assert plan.document["totals"]["amounts_unknown"] > 0
    applied(stored, plan)
    assert {row["amount"] for row in stored.lines() if row["code"] == "G3003" and row["status"] == "ready"} == {None}
    reverted(stored, plan)
    assert sums(stored) == before
    assert figures(stored) == lines
    assert stored.verify() == []


def test_prices_that_become_known_come_and_go_without_a_trace(store: str) -> None:
    """Given months closed without an amount, when rules with one are carried out and taken back, then none is left."""
    with open_ledger(store, own_rules=True) as ledger:
        with ledger_under(PRICES, store) as under:
            feed(under, Tenant("acme").tell(STORY))
            before = sums(under)
        plan = planned(ledger, packaged())
        applied(ledger, plan)
        assert [row["amount_delta"] for row in ledger.adjustments() if row["code"] == "G3003"] == ["63.46"]
        reverted(ledger, plan)
        left = sums(ledger)
        assert {key: one.units for key, one in left.items()} == {key: one.units for key, one in before.items()}
        assert {key for key, one in left.items() if one.dollars} == {key for key, one in before.items() if one.dollars}
        assert ledger.verify() == []


def test_a_month_closed_in_between_comes_to_the_rules_before(ledger: Ledger) -> None:
    """Given a month closed under the plan's rules, when the plan is taken back, then adjustments make up the difference."""
    plan = planned(ledger, TWENTY, Scope("acme"))
    before = sums(ledger)
    applied(ledger, plan)
    feed(ledger, later("acme", "close 2026-03 on 2026-04-02 12:00"))
    reverted(ledger, plan)
    assert sums(ledger) == before
    ups = {(key_of(row)[1:3], row["units_delta"]) for row in ledger.adjustments() if row["kind"] == "underpayment"}
    assert ups == {(("P1", "2026-02"), 1), (("P1", "2026-03"), 1), (("P2", "2026-03"), 1)}
    assert ledger.verify() == []


def test_who_said_it_and_why_is_kept(ledger: Ledger) -> None:
    plan = planned(ledger, TWENTY, Scope("acme", Span("2026-02", None)))
    applied(ledger, plan)
    reverted(ledger, plan)
    with reading(ledger.engine) as connection:
        rows = activations.after(connection, 1)
    assert [(row.tenant, row.first, row.last, row.reverts, row.plan, row.by, row.reason, row.at) for row in rows] == [
        ("acme", "2026-02", None, None, plan.digest, *WORD),
        ("acme", "2026-02", None, 2, plan.digest, *WORD),
    ]
