"""When a decision was made, told by what it rests on, and what an adjustment names as its cause (docs/contract.md §2)."""

import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from domain.roster import ROSTER
from ledger import Ledger, open_ledger
from tests.ledger.test_attacks import RPM, Event, close, event, retraction, time

DECEMBER = "2025-12-31T12:00:00Z"
LATE = "2026-06-01T12:00:00Z"
LATER = "2026-07-01T12:00:00Z"


def site(number: str = "s1", recorded: str = DECEMBER, **more: Any) -> Event:
    return event(number, "site.registered", "north", recorded, name="North", zone="America/Chicago", pos="11", **more)


def person(number: str = "p1", recorded: str = DECEMBER) -> Event:
    return event(number, "practitioner.registered", "dr-lee", recorded, role="physician")


def consent(number: str = "c1", patient: str = "P1", at: str = "2026-01-01T12:00:00Z", recorded: str | None = None) -> Event:
    return event(number, "consent.given", patient, recorded or at, **RPM, at=at, form="verbal")


def reading(number: str, at: str) -> Event:
    return event(number, "device.reading", "P1", at, program="RPM", kind="physiologic", at=at)


def set_up(number: str, recorded: str) -> Event:
    at = "2026-02-20T16:00:00Z"
    return event(number, "device.set_up", "P1", recorded, **RPM, kind="physiologic", site_id="north", at=at)


def recorded(at: str, one: Event) -> Event:
    return {**one, "time": at}


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    with open_ledger(store) as opened:
        yield opened


def feed(ledger: Ledger, *events: Event, settled: bool = True) -> None:
    """Take the events in; all of one feed are decided together, also where each is `settled=False`: a batch of its own."""
    inputs = [("test", json.dumps(one).encode()) for one in events]
    assert ledger.ingest(inputs, batch=100 if settled else 1) == (len(events), 0, 0)


def last_time(ledger: Ledger, tenant: str) -> Any:
    """When the last decision on P1 was made."""
    return [one["time"] for one in ledger.events() if (one["tenant"], one["subject"]) == (tenant, "P1")][-1]


def causes(ledger: Ledger, patient: str = "P1") -> list[list[str]]:
    return [[name.removeprefix("/ehr|") for name in row["cause"]["events"]] for row in ledger.adjustments() if row["patient_id"] == patient]


@pytest.mark.parametrize("late", [site(recorded=LATE), person(recorded=LATE)])
def test_given_a_registration_recorded_last_when_it_came_in_before_then_the_decision_has_its_time(ledger: Ledger, late: Event) -> None:
    early = [one for one in (site(), person()) if one["id"] != late["id"]]
    feed(ledger, *early, late)
    feed(ledger, consent(), time("t1", "02T16:00", "02T16:20"))
    assert {one["time"] for one in ledger.events()} == {LATE}


def test_given_a_site_nobody_of_the_patient_names_when_decided_then_its_time_is_not_the_decisions(ledger: Ledger) -> None:
    feed(ledger, site(), person(), {**site("s2", LATE), "subject": "south"})
    feed(ledger, consent(), time("t1", "02T16:00", "02T16:20"))
    assert {one["time"] for one in ledger.events() if one["type"] != ROSTER} == {"2026-03-02T16:20:00Z"}


def test_given_a_version_that_is_taken_back_when_decided_then_the_retraction_counts(ledger: Ledger) -> None:
    feed(ledger, site(), site("s2", LATE, valid_from="2026-01-01"), person())
    feed(ledger, recorded(LATER, retraction("r1", "s2", "north")))
    feed(ledger, consent(), time("t1", "02T16:00", "02T16:20"))
    assert {one["time"] for one in ledger.events()} == {LATER}


def test_given_time_recorded_after_the_close_when_it_came_in_before_it_then_the_close_has_its_time(ledger: Ledger) -> None:
    feed(ledger, site(), person(), consent(), recorded(LATE, time("t1", "02T16:00", "02T16:20")), close())
    assert [one["time"] for one in ledger.events() if one["type"] == "billing.month.closed.v1"] == [LATE]


@pytest.mark.parametrize("settled", [True, False])
def test_given_what_follows_a_close_when_both_come_in_one_file_then_the_close_does_not_rest_on_it(ledger: Ledger, settled: bool) -> None:
    feed(ledger, site(), person(), consent(), time("t1", "02T16:00", "02T16:20"))
    feed(ledger, close(), recorded(LATE, time("t2", "03T16:00", "03T16:40")), settled=settled)
    assert [one["time"] for one in ledger.events() if one["type"] == "billing.month.closed.v1"] == ["2026-04-02T12:00:00Z"]
    assert [row["units_delta"] for row in ledger.adjustments()] == [2]


def test_given_readings_of_the_month_before_when_a_window_ends_in_this_then_they_count(ledger: Ledger) -> None:
    days = [
        recorded(LATE if day == 20 else f"2026-02-{day}T23:00:00Z", reading(f"d{day}", f"2026-02-{day}T18:00:00Z")) for day in range(20, 28)
    ]
    feed(ledger, site(), person(), consent(), *days)
    feed(ledger, set_up("u1", "2026-02-20T16:00:00Z"))
    assert {one["time"] for one in ledger.events() if one["data"].get("month") == "2026-03"} == {LATE}


TAKEN_BACK = (
    site(),
    time("t1", "02T16:00", "02T16:20"),
    time("t2", "03T16:00", "03T16:20"),
    recorded(LATE, retraction("r1", "t2")),
)
STAY = event("y1", "stay.recorded", "P1", "2026-03-04T12:00:00Z", kind="inpatient", start="2026-03-04T10:00:00Z")
TAKEN_BACK_FOR_LONG = (site(), time("t1", "02T16:00", "02T16:20"), STAY, recorded(LATE, retraction("r1", "y1")))
DOUBLE = (
    site(),
    time("t1", "02T16:00", "02T16:20"),
    time("t3", "03T16:00", "03T16:20"),
    recorded(LATE, time("t2", "02T16:10", "02T16:30", "P2")),
)


@pytest.mark.parametrize("settled", [True, False, None])
@pytest.mark.parametrize("events", [TAKEN_BACK, TAKEN_BACK_FOR_LONG, DOUBLE], ids=["time", "a stay", "double booked"])
def test_given_one_set_of_events_when_they_come_in_any_order_then_the_decision_has_one_time(
    ledger: Ledger, events: Any, settled: bool | None
) -> None:
    for order in permutations(events):
        tenant = "-".join(one["id"] for one in order)
        mine = [{**one, "tenant": tenant} for one in (*order, person(), consent())]
        for part in [mine[:-2], mine[-2:]] if settled is not None else [[one] for one in mine]:
            feed(ledger, *part, settled=settled is not False)
        assert last_time(ledger, tenant) == LATE, tenant
    assert ledger.verify() == []


CLOSED = (site(), person(), close())
ENTRY = time("t1", "02T16:00", "02T16:20")


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_given_a_closed_month_when_consent_and_time_come_together_then_both_are_the_cause(
    ledger: Ledger, order: int, settled: bool
) -> None:
    feed(ledger, *CLOSED)
    both = (consent(), ENTRY)
    feed(ledger, *both[::order], settled=settled)
    assert causes(ledger) == [["c1", "t1"]]


def test_given_a_closed_month_when_consent_was_decided_upon_before_then_the_time_alone_is_the_cause(ledger: Ledger) -> None:
    feed(ledger, *CLOSED, consent())
    feed(ledger, ENTRY)
    assert causes(ledger) == [["t1"]]


def test_given_a_closed_month_when_facts_of_later_months_and_others_come_too_then_they_are_no_cause(ledger: Ledger) -> None:
    feed(ledger, *CLOSED)
    later = [consent("c2", at="2026-05-01T12:00:00Z"), recorded("2026-05-02T12:00:00Z", time("t2", "02T18:00", "02T18:20", "P2"))]
    feed(ledger, consent(), *later, consent("c3", "P2"), ENTRY)
    assert causes(ledger) == [["c1", "t1"]]
    assert causes(ledger, "P2") == [["c3", "t2"]]


@pytest.mark.parametrize("settled", [True, False])
def test_given_a_closed_month_when_a_registration_precedes_the_time_that_names_it_then_both_are_the_cause(
    ledger: Ledger, settled: bool
) -> None:
    feed(ledger, person(), close(), consent())
    feed(ledger, site(), ENTRY, settled=settled)
    assert causes(ledger) == [["s1", "t1"]]


@pytest.mark.parametrize("settled", [True, False])
def test_given_a_closed_month_when_two_patients_times_meet_then_each_names_both(ledger: Ledger, settled: bool) -> None:
    feed(ledger, site(), person(), consent(), consent("c2", "P2"))
    feed(ledger, time("t1", "02T16:00", "02T16:20"), time("t2", "03T16:00", "03T16:20", "P2"), close())
    feed(ledger, time("a", "02T16:00", "02T16:20", "P2"), time("b", "03T16:00", "03T16:20"), settled=settled)
    assert causes(ledger) == [["a", "b"]]
    assert causes(ledger, "P2") == [["a", "b"]]


@pytest.mark.parametrize("settled", [True, False])
def test_given_a_closed_month_when_two_new_times_meet_each_other_then_each_names_both(ledger: Ledger, settled: bool) -> None:
    feed(ledger, *CLOSED, consent(), consent("c2", "P2"))
    feed(ledger, time("a", "02T16:00", "02T16:20"), time("b", "02T16:10", "02T16:30", "P2"), settled=settled)
    assert causes(ledger) == causes(ledger, "P2") == [["a", "b"]]


@pytest.mark.parametrize("settled", [True, False])
def test_given_a_closed_month_when_readings_precede_the_set_up_of_their_device_then_all_are_the_cause(
    ledger: Ledger, settled: bool
) -> None:
    feed(ledger, *CLOSED, consent())
    feed(ledger, reading("d1", "2026-02-21T18:00:00Z"), reading("d2", "2026-02-22T18:00:00Z"), set_up("u1", LATE), settled=settled)
    assert [(row["code"], row["cause"]["events"]) for row in ledger.adjustments()] == [("99445", ["/ehr|d1", "/ehr|d2", "/ehr|u1"])]


def test_given_a_closed_month_when_a_device_goes_with_a_reading_of_it_then_no_reading_bears_on_it_any_more(ledger: Ledger) -> None:
    feed(ledger, site(), person(), consent(), set_up("u1", LATE))
    feed(ledger, reading("d1", "2026-02-21T18:00:00Z"), reading("d2", "2026-02-22T18:00:00Z"), close())
    feed(ledger, retraction("r1", "u1"), retraction("r2", "d1"))
    assert [(row["code"], row["cause"]["events"]) for row in ledger.adjustments()] == [("99445", ["/ehr|r1"])]
