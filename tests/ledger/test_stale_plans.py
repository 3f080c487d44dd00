"""A plan that no longer fits is refused with what moved; one that was edited, is only proposed or of another ledger is refused."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from ledger import Ledger, LedgerError, open_ledger, plans
from ledger.extent import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.other_rules import addon_of_20_minutes, book, ledger_under, packaged, proposed, rules_of, sixteen_days
from tests.ledger.pain import LATE, PRICES, STORY, TWENTY, addons, filled, later
from tests.ledger.replays import (
    Event,
    Row,
    applied,
    feed,
    planned,
)
from tests.scenario_steps import Tenant


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
