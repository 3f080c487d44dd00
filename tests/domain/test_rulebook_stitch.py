"""Months under different rules beside each other: each by its own, nothing twice and nothing lost where they meet."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calendar import month_days
from domain.rulebook import Rulebook
from domain.rulebook_stitch import FOR_EVER, NEVER, stitch
from domain.rulebook_vocabulary import vocabulary
from tests.generators import MONTHS, Dice, random_history
from tests.ledger.other_rules import Document, book, no_medical_assistants, packaged
from tests.ledger.rule_edits import edited
from tests.properties.invariants import seconds_once
from tests.properties.pure import Known, Span, patient_months
from tests.scenario_steps import Event, Tenant

SEEDS = st.integers(0, 2**32)
drawn = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def sixteen_days_for_set_up(rules: Document) -> None:
    """The set-up asks for 16 days, also from 2026 on."""
    for version in rules["families"]["rpm"]["devices"]["set_up"]["99453"]["days"]:
        version["least"] = 16


def met(before: Rulebook, month: str, after: Rulebook) -> list[Rulebook]:
    """Both rulebooks of a border: `before` until the month, `after` from it on; the months before it are named by the first."""
    day = month_days(month)[0]
    parts = [(NEVER, day - 1, before), (day, FOR_EVER, after)]
    return [stitch(parts, before), stitch(parts, after)]


def known(events: Sequence[Event]) -> list[Known]:
    """The patient-months of events."""
    return list(patient_months(events, vocabulary(packaged())))


def codes(months: Sequence[Known], border: str, rules: Sequence[Rulebook]) -> list[tuple[str, str]]:
    """Months and codes of the lines, each month by the rules of its side of the border."""
    return [(one.month.month, line.code) for one in months for line in one.lines(rules[one.month.month >= border])]


@pytest.mark.parametrize(
    ("before", "after", "month"),
    [(sixteen_days_for_set_up, None, "2026-07"), (None, sixteen_days_for_set_up, "2026-06")],
    ids=["16 days, then 2", "2 days, then 16"],
)
def test_a_set_up_over_a_border_is_paid_once(before: object, after: object, month: str) -> None:
    """Given a device from 20 June with a reading a day, when the days asked for change on 1 July, then set-up is paid once and not never.

    Alone, 2 days pay it on 21 June and 16 on 5 July: each month by its own set would pay it never, or twice.
    """
    story = [
        "ready for RPM with dr-lee",
        "device physiologic in RPM with dr-lee set up on 2026-06-20 09:00",
        "readings of physiologic in RPM on 2026-06-20 for 20 days",
    ]
    first, second = (book(sixteen_days_for_set_up) if one else packaged() for one in (before, after))
    months = known(Tenant("border").tell(story))
    apart = [found for found in codes(months, "2026-07", [first, second]) if found[1] == "99453"]
    assert len(apart) == (0 if before else 2)
    assert [found for found in codes(months, "2026-07", met(first, "2026-07", second)) if found[1] == "99453"] == [(month, "99453")]


def test_a_second_at_the_border_counts_once_in_two_zones() -> None:
    """Given an `ma` at work at midnight in Los Angeles, a nurse at the same time in New York, and no `ma` allowed from July on.

    Then what the `ma` did before midnight counts in June and is not the nurse's in July as well, and from midnight on it is the nurse's.
    """
    story = [
        "ready for CCM with dr-lee",
        "time 2026-06-30 23:50 for 20:00 by ma-joy for dr-lee in CCM, at west",
        "time 2026-07-01 02:50 for 20:00 by rn-kim for dr-lee in CCM, at north",
    ]
    first, second = packaged(), book(no_medical_assistants)
    june, july = (one for one in known(Tenant("border").tell(story)) if one.month.month in {"2026-06", "2026-07"})

    def counted(rules: Sequence[Rulebook]) -> list[list[tuple[str, int]]]:
        decisions = [june.decision(rules[0]), july.decision(rules[1])]
        return [[(row[2].performer, row[1] - row[0]) for p in decision.programs for row in p.tally.counted] for decision in decisions]

    assert counted([first, second]) == [[("ma-joy", 600)], [("rn-kim", 1200)]]
    assert counted(met(first, "2026-07", second)) == [[("ma-joy", 600)], [("rn-kim", 600)]]


def test_a_line_has_the_price_of_the_set_that_holds_on_its_day() -> None:
    """Given other prices from April on, then each side of the border has its own, whatever set the month is named by."""

    def dearer(rules: Document) -> None:
        for row in rules["prices"]:
            row["nonfacility"] = "99.99"

    first, second = packaged(), book(dearer)
    march, april = month_days("2026-03")[0], month_days("2026-04")[0]
    for one in met(first, "2026-04", second):
        assert one.cents("99490", march, "11") == first.cents("99490", march, "11") != 9999
        assert one.cents("99490", april, "11") == 9999


def test_one_set_needs_no_stitching() -> None:
    """Given a ledger with one rule set, then the rulebook of every month is that very set."""
    one = packaged()
    assert stitch([(NEVER, FOR_EVER, one)], one) is one


@drawn
@given(seed=SEEDS, month=st.sampled_from(MONTHS))
def test_a_border_within_one_set_changes_nothing(seed: int, month: str) -> None:
    """Given the same rules on both sides, then every line is as without a border."""
    one = packaged()
    months = known(random_history(seed))
    assert [k.lines(met(one, month, one)[0]) for k in months] == [k.lines(one) for k in months]


@drawn
@given(seed=SEEDS, month=st.sampled_from(MONTHS))
def test_no_second_counts_under_both_sets(seed: int, month: str) -> None:
    """Given any two rule sets and any border, then a second of a patient, and one of a performer, counts once over all months."""
    rules = met(edited(Dice(seed)), month, edited(Dice(seed + 1)))
    spans = [
        Span(one.month.tenant, one.month.patient, entry.performer, start, end)
        for one in known(random_history(seed))
        for program in one.decision(rules[one.month.month >= month]).programs
        for start, end, entry, _ in program.tally.counted
    ]
    assert seconds_once(spans) == []
