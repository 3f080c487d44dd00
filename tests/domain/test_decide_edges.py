"""What scenarios reach seldom: proposed staffing rules, lines that outlive their program, impossible totals."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid5

import pytest

from domain.decide import decide
from domain.facts import Consent, Entry, History, Person, Registry, Site, Versions
from domain.lines import reach
from domain.settlement import NAMESPACE, event_id
from ledger import open_ledger
from ledger.rule_files import PACKAGED, load_rulebook
from tests.scenario_steps import Tenant

START = 1_800_500_400  # 2027-01-20


def registry(employment: str | None) -> Registry:
    people = {"rn": Versions((0,), (Person("rn", employment),)), "dr": Versions((0,), (Person("physician", None),))}
    return Registry({"north": Versions((0,), (Site("UTC", "11"),))}, people)


@pytest.mark.parametrize(
    ("performer", "employment", "reason"),
    [("rn", "employee", None), ("rn", "contractor", "performer_role"), ("rn", None, "performer_role"), ("dr", None, None)],
)
def test_the_proposal_of_2027_counts_only_employed_staff(performer: str, employment: str | None, reason: str | None) -> None:
    """Given remote monitoring time in 2027, when the proposal is tried, then staff that are not employed do not count."""
    proposal = load_rulebook(PACKAGED / "proposed-2027")
    entry = Entry(START, START + 900, "s\te", START + 600, "RPM", "dr", performer, "north", "timer", True, False, False)
    decision = decide(History(entries=[entry]), "2027-01", registry(employment), proposal)
    assert [row.reason for row in decision.programs[0].tally.excluded] == [reason or "before_consent"]


def test_evidence_is_ordered_by_start_and_identity_also_where_two_begin_at_once() -> None:
    """Given two entries of one start, when the longer is recorded later, then its rest counts, and evidence is in order of identity."""
    consent = Consent(START - 86_400, True, "RPM", "dr", START - 86_400, "s\tc")
    first = Entry(START, START + 1800, "s\te2", START + 600, "RPM", "dr", "rn", "north", "timer", True, False, False)
    later = first._replace(time=START + 3600, identity="s\te1", end=START + 1500)
    decision = decide(History(entries=[later, first], consents=[consent]), "2027-01", registry(None), load_rulebook(PACKAGED))
    tally = decision.programs[0].tally
    assert [(start, end, entry.identity) for start, end, entry, _ in tally.counted] == [
        (START, START + 600, "s\te2"),
        (START + 600, START + 1500, "s\te1"),
    ]
    assert [(row.end - row.start, row.reason) for row in tally.excluded] == [(600, "overlap")]
    assert decision.lines[0].evidence == ("s\te1", "s\te2")


def test_time_of_the_next_month_still_takes_the_seconds_that_elsewhere_belong_to_this_one() -> None:
    """Given a month's end in Auckland, when time there overlaps time in Honolulu, where the month goes on, then no second counts twice."""
    sites = {"akl": Versions((0,), (Site("Pacific/Auckland", "11"),)), "hnl": Versions((0,), (Site("Pacific/Honolulu", "11"),))}
    begin = 1_801_440_000  # 2027-02-01T00:00 in UTC, February in Auckland, January in Honolulu
    consent = Consent(START - 86_400, True, "RPM", "dr", START - 86_400, "s\tc")
    ahead = Entry(begin, begin + 1800, "s\te1", begin + 900, "RPM", "dr", "rn", "akl", "timer", True, False, False)
    here = ahead._replace(start=begin + 600, identity="s\te2", end=begin + 1800, site="hnl")
    facts = History(entries=[here, ahead], consents=[consent])
    decision = decide(facts, "2027-01", Registry(sites, registry(None).people), load_rulebook(PACKAGED))
    tally = decision.programs[0].tally
    assert [(row.end - row.start, row.entry.identity, row.reason) for row in tally.excluded] == [(300, "s\te2", "overlap")]
    assert [(end - start, entry.identity) for start, end, entry, _ in tally.counted] == [(900, "s\te2")]
    alone = decide(replace(facts, entries=[ahead]), "2027-01", Registry(sites, registry(None).people), load_rulebook(PACKAGED))
    assert alone.programs == ()


def test_a_threshold_that_is_not_there_is_an_error() -> None:
    """Given a total that its pieces do not bear out, then looking for its second fails loudly instead of billing a date."""
    with pytest.raises(ValueError, match="disagrees with its pieces"):
        reach([], 10)


def test_a_closed_line_stays_in_view_when_all_it_rested_on_is_retracted() -> None:
    """Given a device line closed with its month, when the set-up is retracted, then the line is still explained and on the board."""
    tenant = Tenant("outlived")
    steps = [
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-02-01 09:00",
        "readings of physiologic in RPM on 2026-02-02 for 20 days",
        "close 2026-03 on 2026-04-05 09:00",
    ]
    events = tenant.tell(steps)
    set_up = next(e for e in events if e["type"] == "care.device.set_up.v1")
    gone = {
        **set_up,
        "id": "gone",
        "type": "care.event.retracted.v1",
        "time": "2026-05-01T00:00:00Z",
        "data": {"id": set_up["id"], "reason": "no"},
    }
    with open_ledger("sqlite://") as ledger:
        ledger.ingest([(f"t:{i}", json.dumps(e).encode()) for i, e in enumerate([*events, gone])])
        patient = set_up["subject"]
        closed: list[dict[str, Any]] = [row for row in ledger.lines() if row["status"] == "closed"]
        tree = ledger.explain("outlived", patient, "2026-03")
        assert [row["code"] for row in closed] == ["99454"]
        assert [p["lines"][0]["code"] for p in tree["programs"]] == ["99454"]
        assert [row["units_delta"] for row in ledger.adjustments()] == [-1]
        assert ledger.verify() == []


def test_ids_are_those_of_the_standard() -> None:
    """Given any name, then an id is the UUIDv5 that the standard library makes of it."""
    for ordinal in ("acme/P1/2026-03/CPM", "", "é"):
        assert event_id("billing.line.ready.v1", ordinal) == str(uuid5(NAMESPACE, f"billing.line.ready.v1/{ordinal}"))
