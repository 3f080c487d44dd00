"""Which patient-months another rule set may decide otherwise: too many costs time, one too few is a wrong plan."""

from functools import cache

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calendar import month_days
from domain.rule_differences import EVERYTHING, Differences
from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_stitch import FOR_EVER, NEVER, stitch
from domain.rulebook_vocabulary import vocabulary
from tests.generators import MONTHS, Dice, random_history
from tests.ledger.other_rules import (
    Document,
    addon_of_20_minutes,
    book,
    document,
    monitoring_beside_monitoring,
    no_medical_assistants,
    other_prices,
    packaged,
    sixteen_days,
)
from tests.ledger.rule_edits import edited
from tests.properties.pure import Known, patient_months
from tests.scenario_steps import Tenant

SEEDS = st.integers(0, 2**32)
drawn = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def known(events: list[dict[str, object]]) -> list[Known]:
    """The patient-months of events."""
    return list(patient_months(events, vocabulary(packaged())))


@cache
def some(seed: int) -> list[Known]:
    """The patient-months of some random histories."""
    return [one for number in range(4) for one in known(random_history(4 * (seed % 25) + number))]


def bears(differences: Differences, one: Known) -> bool:
    """Whether the patient-month is decided."""
    month, lasting, documents = one.month.month, one.patient.lasting, one.patient.months
    read = {month, *differences.reads(month, lasting)}
    named = [b'"%b"' % program.encode() for program in differences.programs(month)]
    found = {name: documents[name] for name in read & documents.keys() if any(some in orjson.dumps(documents[name]) for some in named)}
    return bool(differences.programs(month)) and differences.bears_on(month, lasting, found)


def missed(one: Rulebook, other: Rulebook, months: list[Known]) -> list[Known]:
    """Patient-months that come to other lines and are not decided, asked in both directions."""
    ways = Differences(one, other), Differences(other, one)
    return [k for k in months if not all(bears(way, k) for way in ways) and k.lines(one) != k.lines(other)]


@drawn
@given(seed=SEEDS)
def test_what_is_not_decided_is_the_same_under_both(seed: int) -> None:
    """Given any change to the rules, then each patient-month with other lines is among those decided."""
    assert missed(packaged(), edited(Dice(seed)), some(seed)) == []


@drawn
@given(seed=SEEDS, month=st.sampled_from(MONTHS))
def test_nor_where_other_rules_hold_from_a_month_on(seed: int, month: str) -> None:
    """Given a rule set put in force from a month on, after a third one before, then the same."""
    day, dice = month_days(month)[0], Dice(seed)
    third, other = edited(dice), edited(dice)
    one, two = (stitch([(NEVER, day - 1, third), (day, FOR_EVER, last)], last) for last in (packaged(), other))
    assert missed(one, two, some(seed)) == []


def test_seconds_of_another_program_move_with_the_changed_one() -> None:
    """Given pain management beside chronic care of an `ma`, when CCM no longer counts the `ma`, then CPM has those seconds.

    Comparing the lines of CCM alone would find one line gone; the other one, which comes, is of a program whose rules are the same.
    """
    story = [
        "ready for CPM with dr-lee",
        "ready for CCM with dr-lee",
        "time 2026-03-02 10:00 for 20:00 by ma-joy for dr-lee in CCM",
        "time 2026-03-02 10:05 for 30:00 by dr-lee for dr-lee in CPM",
        "ready for CPM with dr-lee, patient P2",
        "time 2026-03-03 10:00 for 30:00 by dr-lee for dr-lee in CPM, patient P2",
    ]
    one, other = packaged(), book(no_medical_assistants)
    differences = Differences(one, other)
    months = {k.month.patient: k for k in known(Tenant("naive").tell(story)) if k.month.month == "2026-03"}
    both, alone = months["P1"], months["P2"]
    assert differences.programs("2026-03") == {"CCM"}
    assert [line.code for line in both.lines(one)] == ["99490"]
    assert [line.code for line in both.lines(other)] == ["G3002"]
    assert bears(differences, both)
    assert not bears(differences, alone)


def test_a_visit_that_is_time_itself_is_found_without_any_entry() -> None:
    """Given a first visit that fills CPM's base alone, when the base asks for more, then its month is decided, entries or none."""

    def an_hour(rules: Document) -> None:
        rules["families"]["cpm"]["track"]["codes"]["G3002"]["minutes"][-1]["value"] = 60

    story = ["ready for CPM with dr-lee, without visit", "visit cpm_initial on 2026-03-02 10:00 for 30:00 with dr-lee"]
    (march,) = (k for k in known(Tenant("visit").tell(story)) if k.month.month == "2026-03")
    one, other = packaged(), book(an_hour)
    assert [len(march.lines(rules)) for rules in (one, other)] == [1, 0]
    assert bears(Differences(one, other), march)


def test_a_window_is_found_in_a_month_without_readings() -> None:
    """Given readings in March and a window that ends in April, when it asks for more days, then April is decided."""

    def twelve_days(rules: Document) -> None:
        rules["families"]["rpm"]["devices"]["codes"]["99445"]["days"][0]["least"] = 12

    story = [
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-03-10 09:00",
        "readings of physiologic in RPM on 2026-03-11 for 10 days",
    ]
    (april,) = (k for k in known(Tenant("window").tell(story)) if k.month.month == "2026-04")
    one, other = packaged(), book(twelve_days)
    assert [[line.code for line in april.lines(rules)] for rules in (one, other)] == [["99445"], []]
    assert april.patient.months.get("2026-04", {}) == {}
    assert bears(Differences(one, other), april)


def test_windows_that_began_under_other_rules_are_found_long_after() -> None:
    """Given windows of 28 days until February, then those of a device of that time lie otherwise also half a year later."""

    def of_28_days(rules: Document) -> None:
        devices = rules["families"]["rpm"]["devices"]
        for versions, name in ((devices["window_days"], "value"), (devices["codes"]["99454"]["days"], "most")):
            versions[:] = [{**versions[0], name: 28}, {**versions[0], "from": "2026-03-01"}]

    story = [
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-02-10 09:00",
        "readings of physiologic in RPM on 2026-08-01 for 31 days",
    ]
    (august,) = (k for k in known(Tenant("window").tell(story)) if k.month.month == "2026-08")
    one, other = packaged(), book(of_28_days)
    assert august.lines(one) != august.lines(other)
    assert bears(Differences(one, other), august)
    assert Differences(one, other).programs("2026-08") == {"RPM"}


def test_time_below_what_the_changed_code_asks_for_is_the_same_under_both() -> None:
    """Given add-ons of 20 minutes in place of 15 after a base of 30, then 44 minutes are not decided, 45 are."""
    story = ["ready for CPM with dr-lee", "ready for CPM with dr-lee, patient P2"]
    story += [
        "time 2026-03-02 10:00 for 44:00 by dr-lee for dr-lee in CPM",
        "time 2026-03-03 10:00 for 45:00 by dr-lee for dr-lee in CPM, patient P2",
    ]
    one, other = packaged(), book(addon_of_20_minutes)
    months = {k.month.patient: k for k in known(Tenant("least").tell(story)) if k.month.month == "2026-03"}
    assert [len(months[name].lines(one)) - len(months[name].lines(other)) for name in ("P1", "P2")] == [0, 1]
    assert [bears(Differences(one, other), months[name]) for name in ("P1", "P2")] == [False, True]


def test_time_of_the_next_month_in_one_zone_has_seconds_of_this_one_in_another() -> None:
    """Given CCM without `ma` from April on, when time of one at one in the morning of April in New York meets pain management on the last
    evening of March in Los Angeles, then March is decided: it has those seconds back. What is whole in March is the same."""

    def from_april(rules: Document) -> None:
        roles = rules["families"]["ccm"]["tracks"]["staff"]["roles"]
        last = roles[-1]
        roles.append({**last, "from": "2026-04-01", "value": [role for role in last["value"] if role != "ma"]})
        last.pop("to", None)

    story = [
        "ready for CPM with dr-lee",
        "ready for CCM with dr-lee",
        "time 2026-04-01 01:00 for 30:00 by ma-joy for dr-lee in CCM, at north",
        "time 2026-03-31 22:05 for 30:00 by dr-lee for dr-lee in CPM, at west",
        "ready for CCM with dr-lee, patient P2",
        "time 2026-03-16 10:00 for 30:00 by ma-joy for dr-lee in CCM, at north, patient P2",
    ]
    one, other = packaged(), book(from_april)
    months = {k.month.patient: k for k in known(Tenant("midnight").tell(story)) if k.month.month == "2026-03"}
    edge, whole = months["P1"], months["P2"]
    assert [[line.code for line in edge.lines(rules)] for rules in (one, other)] == [[], ["G3002"]]
    assert bears(Differences(one, other), edge)
    assert not bears(Differences(one, other), whole)


def test_programs_beside_each_other_are_found_where_both_are() -> None:
    """Given RPM and RTM that no longer exclude each other, then a patient with both is decided, one with either is not."""
    devices = [
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-03-01 09:00",
        "readings of physiologic in RPM on 2026-03-01 for 20 days",
    ]
    other_ones = [
        "ready for RTM with dr-roy",
        "device respiratory in RTM with dr-roy set up on 2026-03-01 09:00",
        "readings of respiratory in RTM on 2026-03-01 for 20 days",
    ]
    story = [*devices, *other_ones, *(f"{step}, patient P2" for step in devices), *(f"{step}, patient P3" for step in other_ones)]
    one, other = packaged(), book(monitoring_beside_monitoring)
    months = {k.month.patient: k for k in known(Tenant("rivals").tell(story)) if k.month.month == "2026-03"}
    assert months["P1"].lines(one) != months["P1"].lines(other)
    assert [bears(Differences(one, other), months[name]) for name in ("P1", "P2", "P3")] == [True, False, False]


def test_patients_with_nothing_that_counts_are_not_decided() -> None:
    """Given consent, a visit and a device, but neither time nor readings, then no change of the program bears on any month."""

    def at_once(rules: Document) -> None:
        for family in ("rpm", "bhi"):
            for version in rules["families"][family]["consent_ends"]:
                version["value"] = "month_end" if version["value"] == "instant" else "instant"

    story = [
        "ready for BHI with dr-lee",
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-03-01 09:00",
        "time 2026-03-02 10:00 for 50:00 by dr-lee for dr-lee in CPM",
    ]
    one, other = packaged(), book(at_once, sixteen_days)
    assert Differences(one, other).programs("2026-03") == {"BHI", "RPM"}
    months = known(Tenant("nothing").tell(story))
    assert months
    assert [k.month for k in months if bears(Differences(one, other), k)] == []


def test_the_order_of_a_file_and_who_says_so_are_no_difference() -> None:
    """Given the same rules as they are stored, with sorted keys, or with another citation, then no patient-month is decided."""

    def cited(rules: Document) -> None:
        rules["families"]["ccm"]["visit"][-1]["source"] = ["CONTRACT-3.8"]
        for version in rules["ruleset"]["exclusions"]["rpm-rtm"]:
            version["source"] = ["CONTRACT-3.8"]

    stored = compile_rulebook(orjson.loads(orjson.dumps(document(), option=orjson.OPT_SORT_KEYS)))
    changed = book(cited)
    assert changed.days != packaged().days
    for other in (stored, changed):
        assert {month: Differences(packaged(), other).programs(month) for month in MONTHS} == dict.fromkeys(MONTHS, frozenset())


def test_a_change_is_of_its_program_and_its_months() -> None:
    """Given a change of one family, prices of one year, or places of service, then only what it concerns is decided."""

    def of_2025(rules: Document) -> None:
        next(row for row in rules["prices"] if row["code"] == "99484" and row["from"] == "2025-01-01")["nonfacility"] = "1.00"

    def facilities(rules: Document) -> None:
        rules["ruleset"]["facility_pos"][0]["value"].append("11")

    def asked(change: Rulebook, *months: str) -> list[frozenset[str]]:
        differences = Differences(packaged(), change)
        return [differences.programs(month) for month in months]

    assert asked(book(addon_of_20_minutes), "2023-02", "2026-03") == [{"CPM"}, {"CPM"}]
    assert asked(book(of_2025), "2024-12", "2025-01", "2025-12", "2026-01") == [frozenset(), {"BHI"}, {"BHI"}, frozenset()]
    assert asked(book(facilities), "2023-02", "2026-03") == [EVERYTHING, EVERYTHING]
    assert Differences(packaged(), book(facilities)).bears_on("2026-03", {}, {})
    assert asked(book(sixteen_days), "2024-03", "2026-03") == [frozenset(), {"RPM"}]
    assert asked(book(other_prices), "2024-12") == [frozenset()]
    assert asked(packaged(), "2024-03", "2026-03") == [frozenset(), frozenset()]


def test_a_program_that_only_one_rule_set_has_is_decided_wherever_it_has_time() -> None:
    """Given rules without a program, then the programs they lack differ, also where nobody made the rule sets alike first."""

    def without(rules: Document) -> None:
        del rules["families"]["bhi"]
        rules["prices"] = [row for row in rules["prices"] if row["code"] != "99484"]
        rules["limits"].pop("99484")

    less = book(without)
    assert Differences(packaged(), less).programs("2026-03") == Differences(less, packaged()).programs("2026-03") == {"BHI"}
