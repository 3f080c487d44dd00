"""The board knows who is in a program before any time is logged, and from when on none may count."""

from itertools import permutations
from random import Random
from typing import Any

import pytest

from domain.progress import PROGRESS
from domain.roster import ROSTER
from domain.settlement import PatientMonth
from domain.spans import carve, clip
from ledger import Ledger, open_ledger, registrations
from ledger.database import reading
from ledger.reading import decision_of
from ledger.rule_files import PACKAGED
from projections.board import board_rows
from projections.roster import NO_CONSENT, Side
from projections.run import catch_up, rebuild
from projections.state import PEOPLE, STANDING
from tests.generators import random_history
from tests.projections.story import ACME, Clinic, Event, contents, inputs, second

Row = dict[str, Any]
MIDDLE = "2026-03-16T12:00:00-04:00"
CALENDAR = STANDING - PEOPLE


def board(clinic: Clinic, month: str = "2026-03", as_of: str | None = MIDDLE, site: str | None = None) -> Row:
    with open_ledger("sqlite://") as ledger:
        assert ledger.ingest(inputs(clinic.events)).dead_letters == 0
        catch_up(ledger.engine)
        return board_rows(ledger.engine, ACME, month, site, None if as_of is None else second(as_of))


def states(clinic: Clinic, month: str = "2026-03", as_of: str = MIDDLE) -> list[tuple[str, str, list[str]]]:
    """Patients with their states and why."""
    return [(row["patient_id"], row["state"], row["why"]) for row in board(clinic, month, as_of)["patients"]]


def enrolled(at: str = "2026-02-02T15:00:00Z") -> Clinic:
    """One who is in chronic pain management with all it asks for, and of whom nothing was logged."""
    clinic = Clinic()
    clinic.enroll("P1", at)
    clinic.admit("P1", at)
    return clinic


def test_one_who_is_enrolled_and_was_never_touched() -> None:
    row = board(enrolled())["patients"][0]
    assert (row["seconds"], row["next_code"], row["missing_seconds"], row["untouched"]) == (0, "G3002", 1800, True)
    assert (row["site_id"], row["zone"], row["state"], row["why"]) == ("north", "America/New_York", "at_risk", [])


def test_one_who_gave_consent_alone_is_at_the_site_of_the_visit() -> None:
    clinic = Clinic(west="America/Los_Angeles")
    clinic.admit("P1", "2026-02-02T18:00:00Z", "west")
    row = board(clinic)["patients"][0]
    assert (row["site_id"], row["zone"], row["state"]) == ("west", "America/Los_Angeles", "at_risk")


def test_one_who_gave_consent_alone_is_at_the_site_of_the_device() -> None:
    clinic = Clinic()
    clinic.consent("P1", "2026-02-02T18:00:00Z", "RPM")
    assert board(clinic)["patients"][0]["site_id"] is None
    at = "2026-02-02T19:00:00Z"
    clinic.add("device.set_up", "P1", at, program="RPM", kind="physiologic", practitioner_id="dr-lee", site_id="north", at=at)
    row = board(clinic)["patients"][0]
    assert (row["site_id"], row["next_code"], row["missing_seconds"], row["state"]) == ("north", "99470", 600, "at_risk")


def test_what_is_missing_is_named_before_time_is_logged() -> None:
    clinic = Clinic()
    at = "2026-02-02T15:00:00Z"
    for patient in ("P1", "P2", "P3", "P4"):
        clinic.enroll(patient, at)
    clinic.consent("P2", at)
    clinic.visit("P3", at, kind="cpm_initial")
    clinic.consent("P4", at)
    clinic.visit("P4", at, kind="cpm_initial")
    assert states(clinic) == [
        ("P1", "blocked", ["before_consent", "before_initiating_visit", "condition"]),
        ("P2", "blocked", ["before_initiating_visit", "condition"]),
        ("P3", "blocked", ["before_consent", "condition"]),
        ("P4", "blocked", ["condition"]),
    ]


def test_requirements_of_the_month_and_its_track() -> None:
    clinic = Clinic()
    at = "2026-02-02T15:00:00Z"
    clinic.visit("P1", at)
    clinic.consent("P1", "2026-02-03T15:00:00Z", "CCM")
    clinic.enroll("P1", at, program="CCM", track="complex")
    for code in ("I10", "E11.9"):
        clinic.add("condition.recorded", "P1", at, icd10=code, category="chronic", at=at)
    assert states(clinic) == [("P1", "blocked", ["care_plan", "mdm"])]
    clinic.add("plan.recorded", "P1", "2026-03-31T23:00:00-04:00", program="CCM", practitioner_id="dr-lee", at="2026-03-31T23:00:00-04:00")
    clinic.add("mdm.recorded", "P1", "2026-03-05T15:00:00Z", practitioner_id="dr-lee", month="2026-03", level="high")
    assert [states(clinic, month)[0][1:] for month in ("2026-02", "2026-03", "2026-04")] == [
        ("impossible", ["month_over"]),
        ("at_risk", []),
        ("blocked", ["mdm"]),
    ]
    assert states(clinic, "2026-02", "2026-02-10T12:00:00Z")[0][2] == ["care_plan", "mdm"]
    clinic.enroll("P1", "2026-04-20T15:00:00Z", program="CCM", track="staff")
    found = {month: board(clinic, month, "2026-03-16T12:00:00Z")["patients"][0] for month in ("2026-03", "2026-04")}
    assert [(row["track"], row["next_code"], row["missing_seconds"]) for row in found.values()] == [
        ("complex", "99487", 3600),
        ("staff", "99490", 1200),
    ]


def test_a_condition_that_becomes_old_enough() -> None:
    clinic = enrolled()
    clinic.events = [event for event in clinic.events if event["type"] != "care.condition.recorded.v1"]
    at = "2026-02-02T15:00:00Z"
    clinic.add("condition.recorded", "P1", at, icd10="M54.50", category="chronic_pain", onset="2026-01-31", at=at)
    assert states(clinic, "2026-03") == [("P1", "blocked", ["condition"])]
    assert states(clinic, "2026-04")[0][1] == "on_track"


@pytest.mark.parametrize("onset", ["0001-01-01", "0999-12-31", "9999-12-31"])
def test_an_onset_of_any_year(onset: str) -> None:
    clinic = Clinic()
    clinic.enroll("P1", "2026-02-02T15:00:00Z")
    at = "2026-02-02T15:00:00Z"
    clinic.add("condition.recorded", "P1", at, icd10="M54.50", category="chronic_pain", onset=onset, at=at)
    assert ("condition" in states(clinic)[0][2]) is (onset[0] == "9")


def test_no_code_is_in_force_yet() -> None:
    clinic = enrolled("2022-11-02T15:00:00Z")
    row = board(clinic, "2022-12", "2022-12-05T00:00:00Z")["patients"][0]
    assert (row["next_code"], row["state"], row["why"]) == (None, "blocked", ["code_not_in_force"])
    assert board(clinic, "2023-01", "2022-12-05T00:00:00Z")["patients"][0]["next_code"] == "G3002"


def test_a_consent_ends_and_no_second_was_logged_since() -> None:
    clinic = enrolled()
    clinic.log("P1", "2026-03-03T18:00:00Z", 20)
    clinic.revoke("P1", "2026-03-20T12:00:00-04:00")
    assert states(clinic, as_of="2026-03-20T11:49:59-04:00")[0][1] == "on_track"
    assert states(clinic, as_of="2026-03-20T11:59:59-04:00") == [("P1", "impossible", ["too_little_time"])]
    assert states(clinic, as_of="2026-03-20T12:00:00-04:00") == [("P1", "blocked", ["after_revocation"])]
    assert states(clinic, "2026-04", "2026-04-02T00:00:00Z") == [("P1", "blocked", ["after_revocation"])]
    clinic.end("P1", "2026-03-25T12:00:00-04:00")
    assert states(clinic, "2026-04", "2026-04-02T00:00:00Z") == []


def test_a_consent_to_ccm_ends_with_its_month_at_the_clocks_of_the_site() -> None:
    clinic = Clinic(west="America/Los_Angeles")
    clinic.enroll("P1", "2026-02-02T18:00:00Z", "west", "CCM")
    clinic.visit("P1", "2026-02-02T18:00:00Z", "west")
    clinic.consent("P1", "2026-02-02T19:00:00Z", "CCM")
    clinic.revoke("P1", "2026-03-05T18:00:00Z", "CCM")
    met = {"condition", "care_plan"}
    found = [set(states(clinic, month, "2026-03-31T23:00:00-07:00")[0][2]) - met for month in ("2026-03", "2026-04")]
    assert found == [set(), {"after_revocation"}]


def test_an_enrolment_ends_and_begins_again() -> None:
    clinic = enrolled()
    clinic.end("P1", "2026-03-10T15:00:00Z")
    assert [states(clinic, as_of=f"2026-03-10T14:{minute}:00Z")[0][1] for minute in (30, 31)] == ["at_risk", "impossible"]
    assert states(clinic) == [("P1", "blocked", ["after_enrollment_end"])]
    assert states(clinic, "2026-04") == []
    clinic.enroll("P1", "2026-04-20T15:00:00Z")
    assert states(clinic) == [("P1", "blocked", ["after_enrollment_end"])]
    assert states(clinic, "2026-04") == [("P1", "on_track", [])]


def test_a_stay_and_a_death() -> None:
    clinic = Clinic()
    at = "2026-02-02T15:00:00Z"
    clinic.enroll("P1", at, program="CCM")
    clinic.visit("P1", at)
    clinic.consent("P1", "2026-02-03T15:00:00Z", "CCM")
    stay = {"kind": "inpatient", "start": "2026-03-10T15:00:00Z"}
    first = clinic.add("stay.recorded", "P1", "2026-03-10T15:00:00Z", **stay)
    assert states(clinic)[0][2] == ["care_plan", "condition", "facility_stay"]
    clinic.events[-1]["data"]["end"] = clinic.events[-1]["time"] = "2026-03-20T15:00:00Z"
    assert states(clinic)[0][2] == ["care_plan", "condition"]
    clinic.retract(first, "P1", "2026-03-21T00:00:00Z")
    clinic.add("patient.died", "P1", "2026-03-16T15:00:00Z", at="2026-03-16T15:00:00Z")
    assert states(clinic, as_of="2026-03-17T00:00:00Z")[0][2] == ["after_death", "care_plan", "condition"]
    assert states(clinic, "2026-04") == []


def test_a_site_that_moves_and_one_that_is_unknown() -> None:
    clinic = Clinic(west="America/Los_Angeles")
    clinic.enroll("P1", "2026-02-02T18:00:00Z", "east")
    clinic.admit("P1", "2026-02-02T18:00:00Z", "west")
    assert states(clinic) == [("P1", "blocked", ["site_unknown"])]
    clinic.add("site.registered", "east", "2026-03-01T00:00:00Z", name="east", zone="America/New_York", pos="11")
    row = board(clinic)["patients"][0]
    assert (row["site_id"], row["zone"], row["state"]) == ("east", "America/New_York", "at_risk")
    clinic.enroll("P1", "2026-04-06T18:00:00Z", "west")
    assert [board(clinic, month)["patients"][0]["site_id"] for month in ("2026-03", "2026-04")] == ["east", "west"]


def test_what_was_taken_back_leaves_the_board() -> None:
    clinic = Clinic()
    first = clinic.enroll("P1", "2026-02-02T15:00:00Z")
    assert len(states(clinic)) == 1
    clinic.retract(first, "P1", "2026-03-05T00:00:00Z")
    assert states(clinic) == []


def test_the_sites_count_those_who_were_never_touched() -> None:
    clinic = Clinic(north="America/New_York", west="America/Los_Angeles")
    for patient, site in (("P1", "north"), ("P2", "west"), ("P3", "west"), ("P4", "west")):
        clinic.enroll(patient, "2026-02-02T18:00:00Z", site)
        clinic.admit(patient, "2026-02-02T18:00:00Z", site)
    clinic.log("P2", "2026-03-03T18:00:00Z", 20, "west")
    clinic.log("P3", "2026-01-30T18:00:00Z", 20, "west")
    found = board(clinic)
    assert [(site["site_id"], site["patients"], site["untouched"], site["states"]["at_risk"]) for site in found["sites"]] == [
        ("north", 1, 1, 1),
        ("west", 3, 2, 2),
    ]
    assert (found["total"]["patients"], found["total"]["untouched"]) == (4, 3)
    assert [row["patient_id"] for row in board(clinic, site="west")["patients"]] == ["P2", "P3", "P4"]


def test_without_an_instant_it_is_as_of_what_it_shows() -> None:
    clinic = enrolled()
    assert board(clinic, as_of=None)["as_of"] == "2026-02-02T15:30:00Z"
    assert board(clinic, "2026-01", as_of=None)["as_of"] == "1970-01-01T00:00:00Z"


def test_time_after_an_end_is_on_the_board_though_the_patient_is_not_in_the_program_any_more() -> None:
    clinic = enrolled()
    clinic.end("P1", "2026-02-20T15:00:00Z")
    clinic.log("P1", "2026-03-03T18:00:00Z", 20)
    row = board(clinic)["patients"][0]
    assert (row["seconds"], row["state"], row["why"], row["untouched"]) == (0, "blocked", ["after_enrollment_end"], False)


def test_rules_that_ask_for_a_visit_from_a_month_on() -> None:
    clinic = Clinic()
    clinic.enroll("P1", "2026-11-02T15:00:00Z", program="RPM")
    clinic.consent("P1", "2026-11-02T15:00:00Z", "RPM")
    with open_ledger("sqlite://", PACKAGED / "proposed-2027") as ledger:
        ledger.ingest(inputs(clinic.events))
        (row,) = last(ledger)[ACME, "P1"]
        catch_up(ledger.engine)
        found = {month: board_rows(ledger.engine, ACME, month, as_of=0)["patients"][0] for month in ("2026-12", "2027-01")}
    assert [one for one in row["closed"] if one["reason"] != "before_consent"] == [
        {"reason": "before_initiating_visit", "from": "2027-01-01T05:00:00Z", "until": None}
    ]
    assert [(one["state"], one["why"]) for one in found.values()] == [("on_track", []), ("blocked", ["before_initiating_visit"])]


def rosters(ledger: Ledger) -> list[Event]:
    return [event for event in ledger.events() if event["type"] == ROSTER]


def last(ledger: Ledger) -> dict[tuple[str, str], Any]:
    return {(event["tenant"], event["subject"]): event["data"]["programs"] for event in rosters(ledger)}


def test_it_is_told_where_it_changes_and_each_has_an_id_of_its_own() -> None:
    clinic = enrolled()
    with open_ledger("sqlite://") as ledger:
        ledger.ingest(inputs(clinic.events))
        assert len(rosters(ledger)) == 1
        clinic.log("P1", "2026-03-03T18:00:00Z", 20)
        clinic.visit("P1", "2026-03-04T18:00:00Z", kind="other")
        clinic.consent("P1", "2026-03-04T18:00:00Z")
        clinic.add("practitioner.registered", "dr-kim", "2026-03-04T18:00:00Z", role="physician")
        ledger.ingest(inputs(clinic.events))
        assert len(rosters(ledger)) == 1
        clinic.add("site.registered", "north", "2026-03-05T00:00:00Z", name="north", zone="America/Chicago", pos="11")
        ledger.ingest(inputs(clinic.events))
        assert [event["data"]["programs"][0]["zone"] for event in rosters(ledger)] == ["America/New_York", "America/Chicago"]
        assert len({event["id"] for event in rosters(ledger)}) == 2
        assert rosters(ledger)[1]["time"] == "2026-03-05T00:00:00Z"
        assert ledger.verify() == []


@pytest.mark.parametrize("seed", [1, 7, 18, 38])
def test_the_last_of_it_is_the_same_in_any_order(seed: int) -> None:
    history = random_history(seed)
    told = []
    for number in range(3):
        with open_ledger("sqlite://") as ledger:
            shuffled = Random(number).sample(history, len(history)) if number else history
            for first in range(0, len(shuffled), 7 * number or len(shuffled)):
                ledger.ingest(inputs(shuffled[first : first + (7 * number or len(shuffled))]))
            told.append(last(ledger))
    assert told[0]
    assert told[1:] == told[:1] * 2


def test_it_closes_the_seconds_that_are_left_out_and_no_other() -> None:
    told = [{**event, "tenant": f"t{seed}-{event['tenant']}"} for seed in range(60) for event in random_history(seed)]
    with open_ledger("sqlite://") as ledger:
        ledger.ingest(inputs(told))
        sides = {(*patient, row["program"], row["practitioner_id"]): row for patient, rows in last(ledger).items() for row in rows}
        months = {(event["tenant"], event["subject"], event["data"]["month"]) for event in ledger.events() if event["type"] == PROGRESS}
        assert sum(_compare(ledger, PatientMonth(*month), sides) for month in sorted(months)) > 200


def _compare(ledger: Ledger, month: PatientMonth, sides: dict[tuple[str, str, str, str], Row]) -> int:
    """How many pieces of time at the clocks of the side's site were found right."""
    with reading(ledger.engine) as connection:
        decision = decision_of(connection, registrations.load(connection, month.tenant), ledger.rulebook, month)
    compared = 0
    for program in decision.programs if decision else ():
        side = sides.get((month.tenant, month.patient, program.program, program.practitioner))
        shut = Side(side).closed if side else NO_CONSENT
        for start, end, _, zone in program.tally.counted:
            if side and zone.name == side["zone"]:
                assert not clip([span for _, span in shut], start, end)
                compared += 1
        for left_out in program.tally.excluded:
            if left_out.reason in CALENDAR and (not side or left_out.entry.site == side["site_id"]):
                spans = [span for reason, span in shut if reason == left_out.reason]
                assert carve([(left_out.start, left_out.end)], spans)[0] == []
                compared += 1
    return compared


def test_competing_starts_at_one_instant_in_any_order() -> None:
    clinic = Clinic()
    at = "2026-02-02T15:00:00Z"
    clinic.enroll("P1", at, program="CCM", track="staff")
    clinic.enroll("P1", at, program="CCM", track="complex")
    clinic.end("P1", at, "CCM")
    told = []
    for order in permutations(clinic.events[-3:]):
        with open_ledger("sqlite://") as ledger:
            ledger.ingest(inputs([*clinic.events[:-3], *order]))
            told.append(last(ledger)[ACME, "P1"][0])
    assert {row["months"][0]["track"] for row in told} == {"staff"}
    assert {str(row["enrolled"]) for row in told} == {str([{"site_id": "north", "track": "staff", "from": at, "until": None}])}


def test_a_rebuild_gives_the_same_rows() -> None:
    clinic = enrolled()
    with open_ledger("sqlite://") as ledger:
        for event in clinic.events:
            ledger.ingest(inputs([event]))
            catch_up(ledger.engine)
        before = contents(ledger.engine)
        assert len(before["board_rosters"]) == 1
        rebuild(ledger.engine)
        assert contents(ledger.engine) == before
