"""Rule sets that know other families, tracks or kinds than the events on file."""

from dataclasses import replace
from typing import Any

import pytest

from domain.rulebook_vocabulary import padded, union, vocabulary
from tests.ledger.other_rules import Document, book, packaged
from tests.properties.pure import Known, patient_months
from tests.scenario_steps import Tenant

STORY = [
    "ready for BHI with dr-lee",
    "time 2026-03-02 10:00 for 20:00 by psy-ann for dr-lee in BHI",
    "ready for CCM with dr-lee",
    "enrolled in CCM with dr-lee on 2026-01-05 09:00, track complex",
    "time 2026-03-02 10:10 for 70:00 by rn-kim for dr-lee in CCM",
    "ready for RTM with dr-lee",
    "device cbt in RTM with dr-lee set up on 2026-02-10 09:00",
    "readings of cbt in RTM on 2026-02-10 for 25 days",
]


def lacking(*families: str) -> Any:
    """An edit that leaves families out, with their codes, limits and prices."""

    def edit(rules: Document) -> None:
        programs = {rules["families"].pop(family)["program"] for family in families}
        codes = {code for code, text in packaged().texts.items() if text.program in programs}
        rules["prices"] = [row for row in rules["prices"] if row["code"] not in codes]
        rules["limits"] = {code: rows for code, rows in rules["limits"].items() if code not in codes}
        exclusions = rules["ruleset"]["exclusions"]
        rules["ruleset"]["exclusions"] = {k: rows for k, rows in exclusions.items() if not programs & set(rows[0]["programs"])}

    return edit


def without_complex(rules: Document) -> None:
    """CCM without its complex track."""
    codes = set(rules["families"]["ccm"]["tracks"].pop("complex")["codes"])
    rules["prices"] = [row for row in rules["prices"] if row["code"] not in codes]
    rules["limits"] = {code: rows for code, rows in rules["limits"].items() if code not in codes}


def march() -> Known:
    """The patient-month of the story, with what the packaged rules read."""
    months = patient_months(Tenant("padding").tell(STORY), vocabulary(packaged()))
    return next(one for one in months if one.month.month == "2026-03")


def codes(one: Known, rules: Any) -> list[str]:
    """The codes of its lines."""
    return sorted(line.code for line in one.lines(rules))


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        (lacking("bhi"), ["98978", "99487"]),
        (lacking("rtm"), ["99484", "99487"]),
        (without_complex, ["98978", "99484"]),
        (lacking("bhi", "rtm", "ccm"), []),
    ],
    ids=["no BHI", "no RTM, with a device", "no complex track", "three families less"],
)
def test_time_of_a_program_that_a_set_lacks_is_explained_and_earns_nothing(edit: Any, left: list[str]) -> None:
    """Given time and devices on file, when a set without their family or track decides them, then the others' lines stand alone."""
    one, other = march(), padded(book(edit), [packaged()])
    wanted = {("BHI", 1200), ("CCM", 3600), ("RTM", 0)}
    assert codes(one, packaged()) == ["98978", "99484", "99487"]
    assert codes(one, other) == left
    assert {(p.program, p.tally.total) for p in one.decision(other).programs} >= {row for row in wanted if row[1]}


def test_a_set_that_knows_all_words_is_left_as_it_is() -> None:
    """Given a set and one that knows less, then nothing is added to the first, and what is added to the second are words alone."""
    less = book(lacking("bhi"))
    assert padded(packaged(), [less, packaged()]) is packaged()
    assert vocabulary(padded(less, [packaged()])).programs == vocabulary(packaged()).programs
    assert padded(less, [packaged()]).texts == less.texts
    assert padded(less, [packaged()]).digest == less.digest


def test_words_of_several_sets_add_up() -> None:
    """Given sets that each lack something, then events may name what either knows."""
    words = union([book(lacking("bhi")), book(without_complex)])
    assert words.programs == vocabulary(packaged()).programs
    assert words.tracks["CCM"] == {"staff", "practitioner", "complex"}
    assert words.device_kinds == vocabulary(packaged()).device_kinds
    assert union([replace(packaged(), id="x")]) == vocabulary(packaged())
