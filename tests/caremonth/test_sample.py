"""The sample: the same for the same arguments, in order, valid, realistic, and never held in memory."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from caremonth.sample import sample
from caremonth.sample_clock import Zone, day_number, utc
from caremonth.sample_people import ZONES, npi
from domain.events import Event, Invalid, digest
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.codec import decode

Json = dict[str, Any]
PINNED = "671c3eae063e16464a9f74771779f854ee73983711012def093f9621e8777608"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return list(sample(250, 3, 3, 7))


@pytest.fixture(scope="module")
def events(lines: list[str]) -> list[Json]:
    return [json.loads(line) for line in lines]


def _of(events: list[Json], kind: str) -> list[Json]:
    return [event for event in events if event["type"] == f"care.{kind}.v1"]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(entry: Json) -> float:
    return (_instant(entry["data"]["end"]) - _instant(entry["data"]["start"])).total_seconds()


def _digest(of: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(of).encode()).hexdigest()


# Determinism


def test_the_same_arguments_give_the_same_bytes_on_every_machine() -> None:
    assert _digest(sample(40, 2, 3, 11)) == PINNED


def test_hash_order_and_local_time_play_no_part() -> None:
    program = "from caremonth.sample import sample\nfor line in sample(40, 2, 3, 11): print(line)"
    environment = {**os.environ, "PYTHONHASHSEED": "99", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert _digest(done.stdout.splitlines()) == PINNED


@pytest.mark.parametrize("other", [(41, 2, 3, 11), (40, 3, 3, 11), (40, 2, 2, 11), (40, 2, 3, 12)])
def test_other_arguments_give_other_ids(other: tuple[int, int, int, int]) -> None:
    ids = {json.loads(line)["id"] for line in sample(40, 2, 3, 11)}
    assert ids.isdisjoint(json.loads(line)["id"] for line in sample(*other))


# Form


@pytest.mark.parametrize("arguments", [(250, 3, 3, 7), (1, 1, 1, 0), (2, 24, 9, -3), (60, 13, 2, 5)])
def test_every_line_is_valid_and_no_identity_has_two_contents(arguments: tuple[int, int, int, int]) -> None:
    contents: dict[str, bytes] = {}
    for line in sample(*arguments, close=True):
        event: Event = decode(line.encode(), DEFAULT_VOCABULARY)
        assert contents.setdefault(event.identity, digest(event)) == digest(event)


def test_lines_come_in_the_order_they_were_recorded() -> None:
    times = [json.loads(line)["time"] for line in sample(150, 8, 7, 3, close=True)]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_nothing_is_outside_plain_text(lines: list[str]) -> None:
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_about_twenty_events_a_patient_month(lines: list[str]) -> None:
    assert 18 <= len(lines) / (250 * 3) <= 27


@pytest.mark.parametrize(("months", "first", "last"), [(1, "2026-10", "2026-10"), (22, "2025-01", "2026-10"), (24, "2025-01", "2026-12")])
def test_the_months_end_where_rules_are_known(months: int, first: str, last: str) -> None:
    worked = {entry["data"]["start"][:7] for entry in map(json.loads, sample(30, months, 1, 1)) if entry["type"] == "care.time.logged.v1"}
    assert min(worked) == first
    assert last in worked


def test_more_months_reach_back_before_2025() -> None:
    assert json.loads(next(sample(1, 36, 1, 1)))["time"].startswith("2023-12-29")


def test_the_first_month_can_be_chosen() -> None:
    assert json.loads(next(sample(1, 1, 1, 1, first_month="2022-05")))["time"].startswith("2022-04-28")


@pytest.mark.parametrize(
    "arguments",
    [
        {"patients": 0},
        {"months": 0},
        {"sites": 0},
        {"bad": 1.5},
        {"first_month": "2026-13"},
        {"first_month": "26-01"},
        {"first_month": "2001-01"},
        {"months": 1200},
    ],
)
def test_arguments_without_sense_are_refused_at_once(arguments: Json) -> None:
    with pytest.raises(ValueError, match="must"):
        sample(**{"patients": 1, "months": 1, "sites": 1, "seed": 1, **arguments})


# Memory


def test_nothing_is_made_before_it_is_asked_for() -> None:
    assert len(list(islice(sample(300, 24, 3, 1), 5))) == 5


def test_memory_holds_a_day_not_the_stream() -> None:
    tracemalloc.start()
    try:
        size = sum(len(line) for line in sample(100, 6, 2, 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 3


# Realism


def test_sites_lie_in_several_zones(events: list[Json]) -> None:
    assert [site["data"]["zone"] for site in _of(events, "site.registered")] == list(ZONES[:3])


def test_every_kind_of_event_is_there(events: list[Json]) -> None:
    kinds = {event["type"].removeprefix("care.").removesuffix(".v1") for event in events}
    assert kinds == {
        "site.registered",
        "practitioner.registered",
        "enrollment.started",
        "enrollment.ended",
        "consent.given",
        "consent.revoked",
        "visit.completed",
        "time.logged",
        "condition.recorded",
        "plan.recorded",
        "mdm.recorded",
        "device.set_up",
        "device.reading",
        "stay.recorded",
        "patient.died",
        "event.retracted",
    }


def test_every_program_and_track_is_there(events: list[Json]) -> None:
    started = {(event["data"]["program"], event["data"].get("track")) for event in _of(events, "enrollment.started")}
    assert {program for program, _ in started} == {"CPM", "CCM", "PCM", "RPM", "RTM", "BHI"}
    assert {("CCM", "complex"), ("CCM", "practitioner"), ("CCM", "staff"), ("CCM", None)} <= started


def test_about_a_third_of_the_patients_have_two_programs(events: list[Json]) -> None:
    programs = Counter(event["subject"] for event in _of(events, "enrollment.started"))
    assert 0.2 < sum(count == 2 for count in programs.values()) / len(programs) < 0.4


def test_entries_are_short_and_of_odd_length(events: list[Json]) -> None:
    lengths = [_seconds(entry) for entry in _of(events, "time.logged")]
    assert 180 < sum(lengths) / len(lengths) < 360
    assert sum(length % 60 != 0 for length in lengths) > 0.9 * len(lengths)
    assert max(lengths) < 2400


def test_two_thirds_of_the_logged_work_would_reach_its_threshold(events: list[Json]) -> None:
    base = {"CPM": 1800, "CCM": 1200, "PCM": 1800, "RPM": 1200, "RTM": 1200, "BHI": 1200}
    logged: dict[tuple[str, str, str], float] = defaultdict(float)
    for entry in _of(events, "time.logged"):
        logged[entry["subject"], entry["data"]["program"], entry["data"]["start"][:7]] += _seconds(entry)
    reached = sum(seconds >= base[program] for (_, program, _), seconds in logged.items())
    assert 0.6 < reached / len(logged) < 0.9


def test_some_lines_come_twice_and_some_in_another_spelling(lines: list[str], events: list[Json]) -> None:
    repeats = len(lines) - len({event["id"] for event in events})
    copies = len(lines) - len(set(lines))
    assert 0.003 < copies / len(lines) < 0.02
    assert 0.001 < (repeats - copies) / len(lines) < 0.01


def test_some_work_is_recorded_late_corrected_or_retracted(events: list[Json]) -> None:
    entries = _of(events, "time.logged")
    late = sum((_instant(entry["time"]) - _instant(entry["data"]["end"])).days >= 1 for entry in entries)
    next_month = sum(entry["time"][:7] > entry["data"]["end"][:7] for entry in entries)
    assert 0.02 < late / len(entries) < 0.12
    assert next_month > 0
    assert 0.01 < sum("replaces" in entry for entry in entries) / len(entries) < 0.04
    assert 0.004 < len(_of(events, "event.retracted")) / len(entries) < 0.02


def test_what_is_replaced_or_retracted_exists_under_the_source_named(events: list[Json]) -> None:
    identities = {(event["source"], event["id"]) for event in events}
    assert all((event["source"], event["replaces"]) in identities for event in events if "replaces" in event)
    retracted = _of(events, "event.retracted")
    assert all((event["data"].get("source", event["source"]), event["data"]["id"]) in identities for event in retracted)


def _overlaps(entries: list[Json], by: str) -> int:
    """How many neighbours in time of one patient (or performer) run into one another."""
    spans: dict[str, set[tuple[datetime, datetime, str]]] = defaultdict(set)
    for entry in entries:
        key = entry["data"]["performer_id"] if by == "performer" else entry["subject"]
        if "replaces" not in entry:
            spans[key].add((_instant(entry["data"]["start"]), _instant(entry["data"]["end"]), entry["subject"]))
    pairs = [pair for spans_of_one in spans.values() for pair in pairwise(sorted(spans_of_one))]
    return sum(later[0] < earlier[1] and (by == "patient" or later[2] != earlier[2]) for earlier, later in pairs)


def test_some_entries_overlap_in_a_patient_and_some_people_are_in_two_places(events: list[Json]) -> None:
    entries = _of(events, "time.logged")
    assert 0.003 < _overlaps(entries, "patient") / len(entries) < 0.03
    assert 0.001 < _overlaps(entries, "performer") / len(entries) < 0.01


def test_some_work_runs_over_midnight_at_the_end_of_a_month(events: list[Json]) -> None:
    assert any(entry["data"]["start"][:7] != entry["data"]["end"][:7] for entry in _of(events, "time.logged"))


@pytest.mark.parametrize(("month", "day"), [("2026-03", "2026-03-08"), ("2025-11", "2025-11-02")])
def test_some_work_runs_through_a_change_of_the_clocks(month: str, day: str) -> None:
    entries = _of([json.loads(line) for line in sample(40, 1, 1, 5, first_month=month)], "time.logged")
    changed = [entry["data"] for entry in entries if entry["data"]["start"][-6:] != entry["data"]["end"][-6:]]
    assert changed
    assert all(data["start"].startswith(day) for data in changed)


def test_some_enrolments_lack_a_consent_and_some_consents_are_revoked_and_given_again(events: list[Json]) -> None:
    def keys(kind: str) -> list[tuple[str, str, str]]:
        return [(event["subject"], event["data"]["program"], event["data"]["practitioner_id"]) for event in _of(events, kind)]

    started, given, revoked = set(keys("enrollment.started")), Counter(keys("consent.given")), keys("consent.revoked")
    assert 0.01 < len(started - set(given)) / len(started) < 0.08
    assert revoked
    assert any(given[key] > 1 for key in revoked)


def test_some_work_is_logged_by_the_wrong_people(events: list[Json]) -> None:
    known = {event["subject"]: event["time"] for event in reversed(_of(events, "practitioner.registered"))}
    entries = _of(events, "time.logged")
    assert any(entry["data"]["performer_id"] not in known for entry in entries)
    assert any(entry["time"] < known.get(entry["data"]["performer_id"], "") for entry in entries)
    pain = [entry["data"] for entry in entries if entry["data"]["program"] == "CPM"]
    assert 0 < sum(data["performer_id"] != data["practitioner_id"] for data in pain) < 0.2 * len(pain)


def test_people_and_entries_are_of_several_kinds(events: list[Json]) -> None:
    assert any("valid_from" in event["data"] for event in _of(events, "practitioner.registered"))
    assert {entry["data"]["source"] for entry in _of(events, "time.logged")} == {"timer", "manual", "inferred"}
    assert {entry["data"]["interactive"] for entry in _of(events, "time.logged")} == {True, False}
    assert any(visit["data"]["em_billed"] for visit in _of(events, "visit.completed"))


def test_devices_read_on_most_days(events: list[Json]) -> None:
    days: dict[tuple[str, str], set[str]] = defaultdict(set)
    for reading in _of(events, "device.reading"):
        days[reading["subject"], reading["data"]["at"][:7]].add(reading["data"]["at"][:10])
    counts = [len(read) for (_, month), read in days.items() if month == "2026-09"]
    assert sum(count >= 16 for count in counts) > 0.5 * len(counts)
    assert any(count < 16 for count in counts)


# Closes and broken lines


def _plain(of: Iterator[str]) -> list[str]:
    return [line for line in of if "care.month.closed.v1" not in line]


def test_closes_come_after_each_month_for_each_site() -> None:
    closes = _of([json.loads(line) for line in sample(5, 2, 2, 1, first_month="2026-02", close=True)], "month.closed")
    closed = {(close["data"]["month"], close["data"]["site_id"]): close["time"][:10] for close in closes}
    assert closed == {
        ("2026-02", "site-01"): "2026-03-05",
        ("2026-02", "site-02"): "2026-03-05",
        ("2026-03", "site-01"): "2026-04-05",
        ("2026-03", "site-02"): "2026-04-05",
    }


def test_closes_leave_everything_else_as_it_is() -> None:
    assert _plain(sample(60, 2, 2, 1, close=True)) == list(sample(60, 2, 2, 1))


def test_broken_lines_stand_beside_the_good_ones() -> None:
    good = list(sample(40, 1, 2, 1))
    mixed = list(sample(40, 1, 2, 1, bad=0.2))
    reasons: Counter[str] = Counter()
    contents: dict[str, bytes] = {}
    for line in mixed:
        try:
            event = decode(line.encode(), DEFAULT_VOCABULARY)
        except Invalid as invalid:
            reasons[invalid.reason] += 1
        else:
            reasons["id_reused"] += contents.setdefault(event.identity, digest(event)) != digest(event)
    assert sum(reasons.values()) == len(mixed) - len(good)
    assert set(reasons) == {"invalid_json", "invalid_envelope", "unknown_type", "invalid_data", "id_reused"}
    rest = iter(mixed)
    assert all(line in rest for line in good)


# The pieces


def test_wall_clocks_are_those_of_the_time_zone_database() -> None:
    first, last = day_number(datetime(2025, 1, 1, tzinfo=UTC).date()), day_number(datetime(2027, 1, 1, tzinfo=UTC).date())
    for name in (*ZONES, "Australia/Lord_Howe"):
        zone, reference = Zone(name, first, last), ZoneInfo(name)
        for instant in range(first * 86_400, last * 86_400, 12_347):
            assert zone.text(instant) == datetime.fromtimestamp(instant, reference).isoformat()


def test_an_opening_hour_is_the_same_wall_time_on_both_sides_of_a_change() -> None:
    zone = Zone("America/Chicago", 20_000, 21_000)
    sunday = day_number(datetime(2026, 3, 8, tzinfo=UTC).date())
    assert [zone.text(zone.at(day, 8 * 3600))[10:] for day in (sunday - 1, sunday)] == ["T08:00:00-06:00", "T08:00:00-05:00"]
    assert zone.change_on(sunday - 1) is None
    assert utc(zone.change_on(sunday) or 0) == "2026-03-08T08:00:00Z"


def test_numbers_of_practitioners_carry_the_check_digit() -> None:
    for number in (1, 2, 99, 12_345_678):
        digits = [int(digit) for digit in reversed("80840" + npi(number))]
        doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0
        assert len(npi(number)) == 10
