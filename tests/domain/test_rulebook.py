"""The packaged rules: every code, month and amount of 2022-01 to 2026-12, the proposal for 2027, and the compiler itself."""

import csv
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from domain.event_types import Role
from domain.rulebook import DayCode, DayRules, Devices, Exclusion, Program, Rulebook, SetUpCode, TimeCode, Track
from domain.rulebook_compile import compile_rulebook, digest
from domain.rulebook_family import ROLES
from domain.rulebook_reader import RuleError
from domain.rulebook_vocabulary import vocabulary
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.rule_files import PACKAGED, load_document, load_rulebook

DATA = Path(__file__).resolve().parent.parent / "data"
BILLING = frozenset({"physician", "np", "pa", "cns", "cnm"})
STAFF = frozenset({"rn", "lpn", "ma", "pharmacist", "csw"})
THERAPISTS = frozenset({"pt", "ot", "slp"})
FACILITY = "02 19 21 22 23 24 26 31 34 41 42 51 52 53 56 61"
FIRST_DAYS = {
    "2015-01-01": "99490",
    "2017-01-01": "99487 99489",
    "2018-01-01": "99484",
    "2019-01-01": "99491 99453 99454 99457",
    "2020-01-01": "99458",
    "2021-01-01": "99439",
    "2022-01-01": "99437 99424 99425 99426 99427 98975 98976 98977 98980 98981",
    "2023-01-01": "G3002 G3003 98978",
    "2026-01-01": "99445 99470 98979 98984 98985 98986",
}


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook(PACKAGED)


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def codes_of(rules: DayRules) -> Iterator[str]:
    """Every code in force on a day."""
    for program in rules.programs.values():
        for track in program.tracks.values():
            yield from (code.code for code in (*track.bases, *track.addons.values()))
        if program.devices:
            yield from (code.code for code in program.devices.codes)
            yield from [program.devices.set_up.code] if program.devices.set_up else []


def track_of(book: Rulebook, when: str, program: str, name: str | None = None) -> Track:
    return book.at(day(when)).programs[program].tracks[name]


def devices_of(book: Rulebook, when: str, program: str) -> Devices:
    devices = book.at(day(when)).programs[program].devices
    assert devices is not None
    return devices


def test_every_code_is_in_force_from_its_first_day_on(book: Rulebook) -> None:
    first = {code: when for when, codes in FIRST_DAYS.items() for code in codes.split()}
    assert {code: date.fromordinal(text.first_day).isoformat() for code, text in book.texts.items()} == first
    for when in ("2014-12-31", *first.values(), "2022-12-31", "2025-12-31", "2026-12-31", "2031-06-01"):
        assert set(codes_of(book.at(day(when)))) == {code for code, start in first.items() if start <= when}


def test_every_service_month_has_each_code_once_and_every_program(book: Rulebook) -> None:
    for year in range(2022, 2027):
        for month in range(1, 13):
            rules = book.at(date(year, month, 1).toordinal())
            found = list(codes_of(rules))
            assert len(found) == len(set(found))
            assert set(rules.programs) == {"CPM", "CCM", "PCM", "RPM", "RTM", "BHI"}


def test_every_code_and_day_has_the_amount_of_the_reference(book: Rulebook) -> None:
    amounts: dict[str, dict[int, tuple[int, int | None]]] = {}
    for row in rows("national_amounts.csv"):
        cents = [int(Decimal(row[key]) * 100) if row[key] else None for key in ("nonfacility_usd", "facility_usd")]
        assert cents[0] is not None
        for when in range(day(row["from"]), day(row["to"]) + 1):
            amounts.setdefault(row["code"], {})[when] = (cents[0], cents[1])
    assert set(book.texts) - set(amounts) == {"98978", "98986"}  # priced by contractors
    for code in book.texts:
        for when in range(day("2021-12-01"), day("2027-02-01")):
            expected = amounts.get(code, {}).get(when, (None, None))
            assert (book.cents(code, when, "11"), book.cents(code, when, "22")) == expected, (code, date.fromordinal(when))


def test_the_amounts_of_july_2026_agree_with_the_ones_in_force(book: Rulebook) -> None:
    assert book.cents("G3002", day("2026-07-01"), None) == 8617
    assert book.cents("G3002", day("2026-07-01"), "21") == 6446
    assert [book.cents("G3002", day(when), "11") for when in ("2024-03-08", "2024-03-09")] == [8121, 8255]


def test_facility_places_of_service(book: Rulebook) -> None:
    assert book.facility_pos == set(FACILITY.split())


def test_unit_limits_are_those_of_the_table_or_unknown(book: Rulebook) -> None:
    published = {row["code"]: int(row["mue"]) for row in rows("mue_2026-04-01.csv")}
    at_most = {"99439": 2, "99437": 2, "99427": 2, "99425": 2}
    for when in ("2022-01-01", "2026-03-31", "2026-12-01"):
        for code, cap in caps(book.at(day(when))):
            assert cap == min(published.get(code, 99), at_most.get(code, 99)) or (cap is None and code not in published)


def caps(rules: DayRules) -> Iterator[tuple[str, int | None]]:
    for program in rules.programs.values():
        for track in program.tracks.values():
            yield from ((code.code, code.cap) for code in (*track.bases, *track.addons.values()))
        if program.devices and program.devices.set_up:
            yield from ((code.code, code.cap) for code in program.devices.codes)
            yield program.devices.set_up.code, program.devices.set_up.cap


def test_chronic_pain(book: Rulebook) -> None:
    program = book.at(day("2026-03-01")).programs["CPM"]
    track = program.tracks[None]
    assert track.bases == (TimeCode("G3002", 1800, 1),)
    assert track.addons == {"G3002": TimeCode("G3003", 900, 4)}
    assert (track.roles, track.personal, track.direct_roles, track.employments) == (BILLING, True, frozenset(), None)
    assert [(r.name, r.category, r.different, r.months, r.onset_months) for r in track.requirements] == [
        ("condition", "chronic_pain", 1, None, 3)
    ]
    assert program.visit is not None
    assert program.visit._asdict() == {
        "kinds": words("cpm_initial"), "modalities": words("in_person"), "settings": words("clinical"), "least_seconds": 1800,
        "within_months": None, "counts_from": "start", "is_time": True,
    }  # fmt: skip
    assert (program.consent_ends, program.consent_in_visit, program.stays, program.one_practitioner) == (
        "instant",
        True,
        frozenset(),
        False,
    )
    assert program.consent_citation.startswith("docs/contract.md §3.7")
    assert program.visit_citation == "docs/contract.md §3.8, HIPAASPACE, AAPC-MCR"


def test_chronic_care(book: Rulebook) -> None:
    program = book.at(day("2024-03-01")).programs["CCM"]
    assert set(program.tracks) == {"staff", "practitioner", "complex"}
    assert program.default_track == "staff"
    found = {name: (track.bases, *track.addons.values()) for name, track in program.tracks.items()}
    assert found == {
        "staff": ((TimeCode("99490", 1200, 1),), TimeCode("99439", 1200, 2)),
        "practitioner": ((TimeCode("99491", 1800, 1),), TimeCode("99437", 1800, 2)),
        "complex": ((TimeCode("99487", 3600, 1),), TimeCode("99489", 1800, 10)),
    }
    assert {name: (track.roles, track.personal) for name, track in program.tracks.items()} == {
        "staff": (BILLING | STAFF, False), "practitioner": (BILLING, True), "complex": (BILLING | STAFF, False),
    }  # fmt: skip
    names = {name: [r.name for r in track.requirements] for name, track in program.tracks.items()}
    assert names == {
        "staff": ["care_plan", "condition"],
        "practitioner": ["care_plan", "condition"],
        "complex": ["care_plan", "condition", "mdm"],
    }
    condition, mdm = program.tracks["complex"].requirements[1:]
    assert (condition.category, condition.different, condition.months, mdm.levels) == ("chronic", 2, 12, words("moderate high"))
    assert (program.consent_ends, program.one_practitioner, program.stays) == ("month_end", True, words("inpatient snf"))
    assert_seen_within_a_year(program)


def assert_seen_within_a_year(program: Program) -> None:
    visit = program.visit
    assert visit is not None
    assert (visit.kinds, visit.modalities, visit.settings) == (words("em awv ippe"), None, None)
    assert (visit.least_seconds, visit.within_months, visit.counts_from, visit.is_time) == (0, 12, "end", False)


def test_principal_care(book: Rulebook) -> None:
    program = book.at(day("2022-01-01")).programs["PCM"]
    assert {name: (track.bases, track.addons) for name, track in program.tracks.items()} == {
        "staff": ((TimeCode("99426", 1800, 1),), {"99426": TimeCode("99427", 1800, 2)}),
        "practitioner": ((TimeCode("99424", 1800, 1),), {"99424": TimeCode("99425", 1800, 2)}),
    }
    assert (program.default_track, program.consent_ends, program.one_practitioner) == ("staff", "instant", False)
    assert program.stays == words("inpatient snf")
    requirement = program.tracks["staff"].requirements[1]
    assert (requirement.category, requirement.different, requirement.months) == ("high_risk", 1, 3)
    assert_seen_within_a_year(program)


def test_physiologic_monitoring(book: Rulebook) -> None:
    before, after = track_of(book, "2025-12-31", "RPM"), track_of(book, "2026-01-01", "RPM")
    assert before.bases == (TimeCode("99457", 1200, 1),)
    assert after.bases == (TimeCode("99470", 600, None, awaits_close=True), TimeCode("99457", 1200, 1))
    assert before.addons == after.addons == {"99457": TimeCode("99458", 1200, 3)}
    assert (after.roles, after.personal, [r.name for r in after.requirements]) == (BILLING | STAFF, False, ["interactive_contact"])
    full, short = DayCode("99454", "physiologic", 16, 30, 1), DayCode("99445", "physiologic", 2, 15, None)
    assert devices_of(book, "2025-12-31", "RPM") == Devices(30, (full,), SetUpCode("99453", 16, 1))
    assert devices_of(book, "2026-01-01", "RPM") == Devices(30, (full, short), SetUpCode("99453", 2, 1))
    program = book.at(day("2026-01-01")).programs["RPM"]
    assert (program.visit, program.stays, program.device_stays, program.one_practitioner) == (
        None,
        frozenset(),
        words("inpatient snf"),
        True,
    )


def test_therapeutic_monitoring(book: Rulebook) -> None:
    assert [track_of(book, when, "RTM").direct_roles for when in ("2022-12-31", "2023-01-01")] == [STAFF, frozenset()]
    after = track_of(book, "2026-01-01", "RTM")
    assert after.bases == (TimeCode("98979", 600, None, awaits_close=True), TimeCode("98980", 1200, 1))
    assert after.addons == {"98980": TimeCode("98981", 1200, 3)}
    assert after.roles == BILLING | STAFF | THERAPISTS
    days = {when: {(c.code, c.kind, c.least, c.most) for c in devices_of(book, when, "RTM").codes} for when in ("2022-06-01", "2026-06-01")}
    full = {("98976", "respiratory", 16, 30), ("98977", "musculoskeletal", 16, 30)}
    short = {("98984", "respiratory", 2, 15), ("98985", "musculoskeletal", 2, 15), ("98986", "cbt", 2, 15)}
    assert days == {"2022-06-01": full, "2026-06-01": full | short | {("98978", "cbt", 16, 30)}}
    assert [devices_of(book, when, "RTM").set_up for when in ("2025-12-31", "2026-01-01")] == [
        SetUpCode("98975", 16, 1), SetUpCode("98975", 2, 1),
    ]  # fmt: skip
    program = book.at(day("2026-06-01")).programs["RTM"]
    assert (program.one_practitioner, program.device_stays) == (False, frozenset())


def test_behavioral_integration(book: Rulebook) -> None:
    program = book.at(day("2023-05-01")).programs["BHI"]
    track = program.tracks[None]
    assert (track.bases, track.addons) == ((TimeCode("99484", 1200, 1),), {})
    assert track.roles == BILLING | STAFF | {"clinical_psychologist"}
    assert [(r.name, r.category) for r in track.requirements] == [("condition", "behavioral")]
    assert (program.stays, program.one_practitioner, program.consent_ends) == (frozenset(), False, "instant")
    assert_seen_within_a_year(program)


def test_what_is_not_paid_together(book: Rulebook) -> None:
    for when in ("2022-01-01", "2026-12-31"):
        found = [exclusion[:3] for exclusion in book.at(day(when)).exclusions]
        assert found == [Exclusion("CCM", "PCM", True, "")[:3], Exclusion("RPM", "RTM", False, "")[:3]]


def test_the_words_of_events_are_those_of_the_rules(book: Rulebook) -> None:
    assert vocabulary(book) == DEFAULT_VOCABULARY
    assert frozenset(get_args(Role)) - {"other"} == ROLES


def test_texts_say_rule_citation_and_days(book: Rulebook) -> None:
    text = book.texts["G3003"]
    assert (text.program, text.first_day, text.last_day) == ("CPM", day("2023-01-01"), None)
    assert text.rule == "one for each full 15:00 after the first 30:00"
    assert text.citation == "docs/contract.md §3.8, ICD10CP"


def test_the_proposal_for_2027_changes_nothing_before_it(book: Rulebook) -> None:
    proposed = load_rulebook(PACKAGED / "proposed-2027")
    assert (proposed.id, proposed.legal_status) == ("2027-proposed", "proposed")
    assert (book.id, book.legal_status, book.last_verified_year) == ("2026.11", "final", 2026)
    first = day("2027-01-01")
    assert [proposed.at(start) for start in book.starts] == list(book.days)
    assert proposed.starts == (*book.starts, first)
    assert proposed.prices == book.prices
    assert book.at(first) == book.at(first - 1)


def test_the_proposal_for_2027_asks_for_employees_and_a_visit() -> None:
    rules = load_rulebook(PACKAGED / "proposed-2027").at(day("2027-01-01"))
    for name, exempt in (("RPM", BILLING), ("RTM", BILLING | THERAPISTS)):
        program = rules.programs[name]
        assert (program.tracks[None].employments, program.tracks[None].exempt_roles) == (words("employee"), exempt)
        assert program.visit is not None
        assert (program.visit.kinds, program.visit.counts_from, program.visit.is_time) == (words("em awv ippe"), "end", False)


def test_nothing_dated_2027_is_final() -> None:
    found = {
        name: [m["legal_status"] for m in mappings(load_document(PACKAGED / name)) if m.get("from", "") >= "2027"]
        for name in ("", "proposed-2027")
    }
    assert found[""] == []
    assert set(found["proposed-2027"]) == {"proposed"}


def mappings(value: object) -> Iterator[dict[str, Any]]:
    """Every mapping anywhere in a document."""
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from mappings(part)


def test_every_source_is_used_and_every_dated_value_has_its_evidence() -> None:
    document: Any = load_document(PACKAGED / "proposed-2027")
    dated = [part for part in mappings(document) if "from" in part]
    assert all({"source", "confidence", "last_verified", "legal_status"} <= set(part) for part in dated)
    assert {key for part in dated for key in part["source"]} == set(document["sources"])


def test_a_document_compiles_alike_after_a_round_trip_through_json(book: Rulebook) -> None:
    again = compile_rulebook(json.loads(json.dumps(book.document)))
    assert again == book
    assert again.digest == digest(book.document)


def test_a_code_that_ends_and_returns_is_in_force_only_then() -> None:
    invented = load_rulebook(DATA / "rules")
    for when, expected in (("2022-12-31", ["F0003"]), ("2023-06-01", []), ("2024-01-01", ["F0003"])):
        assert [base.code for base in track_of(invented, when, "FOT", "shared").bases] == expected
    assert [list(track_of(invented, when, "WND").addons) for when in ("2025-12-31", "2026-01-01")] == [["W0001"], []]
    assert invented.texts["W0002"].last_day == day("2025-12-31")
    before = devices_of(invented, "2021-12-31", "WND")
    assert (before.codes, before.set_up) == ((), None)


def test_an_exclusion_that_ends_is_not_there_afterwards() -> None:
    invented = load_rulebook(DATA / "rules")
    assert [len(invented.at(day(when)).exclusions) for when in ("2025-12-31", "2026-01-01")] == [1, 0]


def test_an_error_of_a_document_has_its_path() -> None:
    document: Any = json.loads(json.dumps(load_document(PACKAGED)))
    document["families"]["cpm"]["track"]["codes"]["G3002"]["minutes"][0]["value"] = "30"
    with pytest.raises(RuleError) as caught:
        compile_rulebook(document)
    error = caught.value
    assert error.path == ("families", "cpm", "track", "codes", "G3002", "minutes", 0, "value")
    assert (error.expected, error.found) == ("a whole number from 1 on", "'30'")
    assert str(error) == "families.cpm.track.codes.G3002.minutes[0].value: expected a whole number from 1 on, found '30'"


def test_a_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(RuleError, match="the rule set: expected a mapping, found an empty list"):
        compile_rulebook([])  # type: ignore[arg-type]
