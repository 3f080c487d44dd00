"""A plan carried out is what was shown; taken back, all comes to what it was; a plan that no longer fits is refused."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from ledger import Ledger, LedgerError, activations, applying, open_ledger, plans
from ledger.database import reading
from ledger.forecast import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.other_rules import FIVE, addon_of_20_minutes, book, ledger_under, other_prices, packaged, proposed, rules_of, sixteen_days
from tests.ledger.replays import (
    WORD,
    Event,
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


STORY = [
    "ready for CPM with dr-lee",
    "ready for CPM with dr-lee, patient P2",
    *(f"time 2026-0{month}-02 10:00 for 65:00 by dr-lee for dr-lee in CPM" for month in (2, 3, 4)),
    "time 2026-03-03 10:00 for 65:00 by dr-lee for dr-lee in CPM, at south, patient P2",
    "close 2026-02 on 2026-03-02 12:00",
]
LATE = [f"time 2026-0{month}-20 10:00 for 15:00 by dr-lee for dr-lee in CPM" for month in (2, 3, 4)]
PRICES, TWENTY = book(other_prices), book(addon_of_20_minutes)


def filled(url: str) -> Ledger:
    """Two patients with pain management in each of two tenants; February is closed."""
    opened = open_ledger(url)
    for tenant in ("acme", "bolt"):
        feed(opened, Tenant(tenant).tell(STORY))
    return opened


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


def later(tenant: str, *steps: str) -> list[Event]:
    """The steps' own events, of another source."""
    story = Tenant(tenant)
    story.tell(steps)
    return [{**event, "source": "/later"} for event in story.events]


def addons(ledger: Ledger, tenant: str) -> dict[str, int]:
    """Units of G3003 by month of P1, closed ones and adjustments together."""
    return {key[2]: one.units for key, one in sums(ledger).items() if key[:2] == (tenant, "P1") and key[5] == "G3003"}


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


def test_one_event_makes_a_plan_stale_and_is_named(stored: Ledger) -> None:
    """Given a plan, when time comes in one of its months, then carrying it out is refused with the patient-month, and nothing changed."""
    plan = planned(stored, TWENTY, Scope("acme", Span("2026-03", None)))
    feed(stored, later("acme", LATE[1]))
    before = stored.lines(), rules_of(stored).rows
    with pytest.raises(LedgerError, match="history has moved since the plan was made: acme/P1/2026-03; nothing was changed"):
        applied(stored, plan)
    assert (stored.lines(), rules_of(stored).rows) == before
    applied(stored, planned(stored, TWENTY, Scope("acme", Span("2026-03", None))))
    assert addons(stored, "acme") == {"2026-02": 2, "2026-03": 2, "2026-04": 1}


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ("consent for CPM with dr-lee revoked on 2026-04-10 09:00", "acme/P1/2026-04"),
        ("close 2026-03 on 2026-04-02 12:00", "the close of 2026-03 in acme"),
        ("person dr-lee is np, from 2026-03-15", "acme/dr-lee (a site or person)"),
        ("site north in America/Chicago, from 2026-03-15", "acme/north (a site or person)"),
        ("time 2026-03-03 09:50 for 20:00 by dr-lee for dr-lee in CPM, patient P3", "acme/P3/2026-03"),
    ],
    ids=["a revocation", "a close", "a person", "a site", "a new patient who double-books"],
)
def test_whatever_bears_on_a_plans_months_is_named(ledger: Ledger, step: str, named: str) -> None:
    plan = planned(ledger, TWENTY, Scope("acme", Span("2026-03", "2026-04")))
    feed(ledger, later("acme", step))
    with pytest.raises(LedgerError) as refused:
        applied(ledger, plan)
    assert named in str(refused.value)


def test_a_retraction_is_named_by_what_it_takes_out(ledger: Ledger) -> None:
    """Given a plan, when time of one of its months is retracted, then that month is named, whatever month the retraction is of."""
    time = next(e for e in Tenant("acme").tell(STORY) if e["type"] == "care.time.logged.v1" and e["data"]["start"].startswith("2026-04"))
    plan = planned(ledger, TWENTY, Scope("acme", Span("2026-04", "2026-04")))
    feed(ledger, [retraction(time)])
    with pytest.raises(LedgerError, match="acme/P1/2026-04"):
        applied(ledger, plan)


def test_events_of_other_months_and_tenants_do_not_make_it_stale(ledger: Ledger) -> None:
    plan = planned(ledger, TWENTY, Scope("acme", Span("2026-02", "2026-03")))
    feed(ledger, [*later("acme", LATE[2], "close 2026-01 on 2026-02-02 12:00"), *later("bolt", *LATE)])
    applied(ledger, plan)
    assert addons(ledger, "acme") == {"2026-02": 1, "2026-03": 1, "2026-04": 3}
    assert addons(ledger, "bolt") == {"2026-02": 3, "2026-03": 3, "2026-04": 3}
    assert ledger.verify() == []


DEVICE = [
    "ready for RPM with dr-lee",
    "device physiologic in RPM with dr-lee set up on 2026-03-30 09:00",
    *(f"reading of physiologic in RPM on 2026-{day} 12:00" for day in ("03-30", "03-31", "04-01", "04-02")),
    "ready for CPM with dr-lee",
]


def feed_all(ledger: Ledger, steps: Sequence[str]) -> list[Event]:
    """The events of some steps, once they are taken in."""
    events = Tenant("acme").tell(steps)
    feed(ledger, events)
    return events


def retraction(event: Event) -> Event:
    """The retraction of an event."""
    gone = {"id": event["id"], "source": event["source"], "reason": "entered in error"}
    return {**event, "id": "gone", "type": "care.event.retracted.v1", "time": "2026-12-01T00:00:00Z", "data": gone}


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ("time 2026-04-02 10:00 for 65:00 by dr-lee for dr-lee in CPM", None),
        ("reading of physiologic in RPM on 2026-04-20 09:00", None),
        ("close 2026-05 on 2026-06-02 12:00", None),
        ("2026-04-01", "acme/P1/2026-04"),
        ("close 2026-04 on 2026-05-02 12:00", "acme/P1/2026-04"),
    ],
    ids=["time", "a later reading", "the close of a later month", "the reading itself", "a close"],
)
def test_of_months_beside_only_what_changes_the_plan_makes_it_stale(step: str, named: str | None) -> None:
    """Given a set-up that another rule for March moves into April, then April's live traffic does not matter unless the line does."""
    with open_ledger("sqlite://") as ledger:
        events = feed_all(ledger, DEVICE)
        plan = planned(ledger, book(sixteen_days), Scope("acme", Span(None, "2026-03")))
        assert [(row["month"], row["code"], row["date_to"]) for row in plan.changes] == [
            ("2026-03", "99453", None),
            ("2026-04", "99453", "2026-04-01"),
        ]
        wrong = [retraction(event) for event in events if event["data"].get("at", "").startswith(step)]
        feed(ledger, wrong or later("acme", step))
        if named is None:
            applied(ledger, plan)
        else:
            with pytest.raises(LedgerError, match=f"history has moved since the plan was made: {named}; nothing"):
                applied(ledger, plan)
        assert ledger.verify() == []


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


def test_another_activation_of_its_months_makes_it_stale(ledger: Ledger) -> None:
    plan, first = planned(ledger, TWENTY), planned(ledger, PRICES, Scope("bolt"))
    applied(ledger, first)
    with pytest.raises(LedgerError, match="the rules in force"):
        applied(ledger, plan)


def test_a_moved_plan_can_be_carried_out_on_someones_word(ledger: Ledger) -> None:
    plan = planned(ledger, TWENTY, Scope("acme"))
    feed(ledger, later("acme", LATE[1]))
    applied(ledger, plan, even_if_moved=True)
    assert addons(ledger, "acme") == {"2026-02": 1, "2026-03": 2, "2026-04": 1}
    assert ledger.verify() == []


def sealed(document: Row) -> bytes:
    """The document with a digest of its own, as whoever edits a plan can write it."""
    header = {name: value for name, value in document.items() if name not in {"changes", "digest"}}
    return plans.write(header, [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in document["changes"]])


def _of(name: str, value: Any) -> Callable[[Row], None]:
    def edit(document: Row) -> None:
        document[name] = value

    return edit


def _rules(document: Row) -> None:
    document["rules"]["ruleset"]["title"] += "!"


EDITS: dict[str, Callable[[Row], None]] = {
    "a change's units": lambda document: document["changes"][0].update(units_to=0),
    "a change's amount": lambda document: document["changes"][0].update(amount_to="0.01"),
    "a change left out": lambda document: document["changes"].pop(),
    "a change twice": lambda document: document["changes"].append(document["changes"][0]),
    "totals": lambda document: document["totals"].update(amount_delta="0.00"),
    "evaluated": _of("evaluated", 1),
    "months": _of("months", ["2026-02", "2026-02"]),
    "scope": lambda document: document["scope"].update(tenant="bolt"),
    "rule_set_from": _of("rule_set_from", "2020.01"),
    "rule_set_from_digests": _of("rule_set_from_digests", []),
    "rule_set_to": _of("rule_set_to", "2020.01"),
    "rule_set_to_digest": _of("rule_set_to_digest", "0" * 64),
    "legal_status": _of("legal_status", "proposed"),
    "activation": _of("activation", 7),
    "history": _of("history", "0" * 64),
    "histories": lambda document: document["histories"]["acme"].update(events=1),
    "rules": _rules,
    "facts": _of("facts", {"without": [], "as_of": None}),
    "a field more": _of("note", "checked"),
    "a field less": lambda document: document.pop("evaluated"),
}
MOVED = {"activation", "scope"}
"""What reads as if the rules had moved since, or is another plan, whose scope is another."""


@pytest.fixture(scope="module")
def refusing() -> Iterator[tuple[Ledger, bytes]]:
    """A ledger that nothing may change, and a plan for one of its tenants."""
    with filled("sqlite://") as ledger:
        yield ledger, make(ledger.engine, TWENTY, Scope("acme"))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused(refusing: tuple[Ledger, bytes], tmp_path: Path, edit: str) -> None:
    """Given a plan, when anything in it is edited, then it is not read; sealed anew by its editor, it is read and not carried out.

    Nor does anyone's word help that it may be carried out where the history has moved: the history has not.
    """
    ledger, raw = refusing
    document, file, before = orjson.loads(raw), tmp_path / "plan.json", rules_of(ledger).rows
    EDITS[edit](document)
    file.write_bytes(orjson.dumps(document))
    with pytest.raises(LedgerError, match="edited"):
        plans.read(file)
    file.write_bytes(sealed(document))
    for even_if_moved in (False, edit not in MOVED):
        with pytest.raises(LedgerError):
            applied(ledger, plans.read(file), even_if_moved=even_if_moved)
    assert rules_of(ledger).rows == before


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"not json", b'{"format":"caremonth.replay-plan.v1"}'])
def test_what_is_no_plan_is_not_read(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "plan.json"
    with pytest.raises(LedgerError, match="cannot be read"):
        plans.read(file)
    file.write_bytes(raw)
    with pytest.raises(LedgerError, match=r"is no replay plan|was edited"):
        plans.read(file)


def test_what_must_not_be_carried_out_is_not(stored: Ledger) -> None:
    """Given a plan under proposed rules, of one site, or of another ledger, then it is refused with the reason."""
    before = rules_of(stored).rows
    shown = planned(stored, TWENTY, Scope("acme", site="south"))
    only = planned(stored, book(addon_of_20_minutes, proposed))
    with ledger_under(packaged()) as other:
        feed(other, Tenant("acme").tell([*STORY, "died on 2026-06-01 09:00"]))
        elsewhere = planned(other, TWENTY)
    for plan, reason in ((shown, "one site or family only"), (only, "only proposed"), (elsewhere, "not in this ledger")):
        for even_if_moved in (False, True):
            with pytest.raises(LedgerError, match=reason):
                applied(stored, plan, even_if_moved=even_if_moved)
    assert rules_of(stored).rows == before


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
