"""What an attacker found once: each of these broke the contract, or stopped the ledger."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import Ledger, open_ledger

RPM = {"program": "RPM", "practitioner_id": "dr-lee"}
Event = dict[str, Any]


def event(number: str, kind: str, subject: str, time: str, /, **data: Any) -> Event:
    """An event whose id is `number`."""
    return {
        "specversion": "1.0", "id": number, "source": "/ehr", "type": f"care.{kind}.v1", "tenant": "acme",
        "subject": subject, "time": time, "data": data,
    }  # fmt: skip


def time(number: str, start: str, end: str, patient: str = "P1", **data: Any) -> Event:
    """RPM time in March 2026; `start` and `end` are `DDTHH:MM` in UTC."""
    instants = {"start": f"2026-03-{start}:00Z", "end": f"2026-03-{end}:00Z"}
    rest = {"performer_id": "dr-lee", "site_id": "north", "activity": "review", "interactive": True, "source": "timer"}
    return event(number, "time.logged", patient, instants["end"], **RPM, **instants, **{**rest, **data})


def close(number: str = "close", **data: Any) -> Event:
    return event(number, "month.closed", "acme", "2026-04-02T12:00:00Z", month="2026-03", at="2026-04-02T12:00:00Z", by="pat", **data)


def retraction(number: str, of: str, subject: str = "P1") -> Event:
    return event(number, "event.retracted", subject, "2026-04-09T12:00:00Z", id=of, reason="a mistake")


def feed(ledger: Ledger, *events: Event) -> None:
    """Take the events in; all of them must be accepted."""
    assert ledger.ingest([("test", json.dumps(e).encode()) for e in events]) == (len(events), 0, 0)


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    """Two sites, a physician, two patients who agreed to RPM."""
    with open_ledger(store) as opened:
        feed(
            opened,
            event("s1", "site.registered", "north", "2019-01-01T00:00:00Z", name="North", zone="America/Chicago", pos="11"),
            event("s2", "site.registered", "west", "2019-01-01T00:00:00Z", name="West", zone="America/Denver", pos="11"),
            event("p1", "practitioner.registered", "dr-lee", "2019-01-01T00:00:00Z", role="physician"),
            *(
                event(f"c{patient}", "consent.given", patient, "2026-01-01T12:00:00Z", **RPM, at="2026-01-01T12:00:00Z", form="verbal")
                for patient in ("P1", "P2")
            ),
        )
        yield opened


@pytest.mark.parametrize("onset", ["9999-12-31", "9999-09-30", "0001-01-01"])
def test_given_an_onset_at_the_end_of_the_calendar_when_decided_then_the_ledger_goes_on(ledger: Ledger, onset: str) -> None:
    at = "2026-03-02T15:00:00Z"
    visit = {"kind": "cpm_initial", "modality": "in_person", "setting": "clinical", "em_billed": False, "site_id": "north"}
    pain = {"icd10": "M54.50", "category": "chronic_pain", "at": at, "onset": onset}
    feed(
        ledger,
        event("c3", "consent.given", "P1", at, program="CPM", practitioner_id="dr-lee", at=at, form="verbal"),
        event(
            "v1", "visit.completed", "P1", "2026-03-02T15:40:00Z", practitioner_id="dr-lee", start=at, end="2026-03-02T15:40:00Z", **visit
        ),
        event("k1", "condition.recorded", "P1", at, **pain),
    )
    assert [(line["code"], line["status"]) for line in ledger.lines()] == [("G3002", "ready" if onset < "2026" else "held")]
    assert ledger.verify() == []


@pytest.mark.parametrize("close_first", [True, False])
def test_given_a_close_that_is_retracted_when_either_comes_first_then_it_stands_with_one_alert(ledger: Ledger, close_first: bool) -> None:
    feed(ledger, time("t1", "02T16:00", "02T16:20"))
    both = [close(), retraction("r1", "close", "acme")]
    for one in both if close_first else both[::-1]:
        feed(ledger, one)
    assert [line["status"] for line in ledger.lines()] == ["closed"]
    stands = [alert for alert in ledger.alerts() if alert["kind"] == "close_stands"]
    assert [(alert["event"], alert["by"], alert["time"]) for alert in stands] == [("/ehr|close", "/ehr|r1", "2026-04-09T12:00:00Z")]


def test_given_a_closed_month_when_a_double_booking_arrives_then_only_what_arrived_is_the_cause(ledger: Ledger) -> None:
    feed(ledger, time("t1", "02T16:00", "02T16:20"), close())
    feed(ledger, time("t2", "02T16:10", "02T16:30", "P2"))
    assert {tuple(row["cause"]["events"]) for row in ledger.adjustments()} == {("/ehr|t2",)}


def test_given_an_adjustment_at_a_closed_site_when_the_line_moves_to_an_open_one_then_it_is_taken_back_where_it_was(ledger: Ledger) -> None:
    feed(ledger, close(site_id="north"))
    feed(ledger, time("t1", "02T16:00", "02T16:12"), time("t2", "03T16:00", "03T16:10"))
    feed(ledger, {**time("t3", "03T16:00", "03T16:10", site_id="west"), "replaces": "t2"})
    assert [(row["site_id"], row["units_delta"]) for row in ledger.adjustments()] == [("north", 1), ("north", -1)]
    assert [(line["site_id"], line["status"]) for line in ledger.lines()] == [("west", "ready")]
    assert ledger.verify() == []


def test_a_clash_is_told_in_the_local_month_of_the_time(ledger: Ledger) -> None:
    """Given time of two patients with one performer at 02:00 UTC on the 1st, then the alert names the month it still is in Chicago."""
    feed(ledger, time("a", "01T02:00", "01T02:10"), time("b", "01T02:05", "01T02:15", "P2"))
    found = [(alert["patient_id"], alert["month"]) for alert in ledger.alerts() if alert["kind"] == "time_conflict"]
    assert sorted(found) == [("P1", "2026-02"), ("P2", "2026-02")]


def test_nearness_is_told_also_while_a_requirement_is_missing(ledger: Ledger) -> None:
    """Given 7 minutes without contact, when 10 earn a code, then the alert comes, since nothing is held yet, and names what is missing."""
    feed(ledger, time("a", "05T16:00", "05T16:07", interactive=False))
    near = [alert for alert in ledger.alerts() if alert["kind"] == "threshold_near"]
    assert [(alert["code"], alert["seconds_needed"], alert["unmet"]) for alert in near] == [("99470", 180, ["interactive_contact"])]


def test_an_adjustment_keeps_the_closed_date_beside_the_new_one(ledger: Ledger) -> None:
    """Given a closed month, when earlier time arrives late, then the adjustment names the claim's date and the date of today's answer."""
    feed(ledger, time("a", "05T16:00", "05T16:45"), close())
    feed(ledger, time("b", "03T16:00", "03T16:20"))
    moved = {row["code"]: (row["date_of_service"], row.get("date_of_service_to")) for row in ledger.adjustments()}
    assert moved == {"99458": ("2026-03-05", "2026-03-03")}
