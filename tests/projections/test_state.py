"""The states of the board: each rule, at its border, at month ends, in zones and over clock changes."""

from datetime import datetime
from typing import Any

import pytest

from domain.calendar import zone
from domain.spans import AFTER, BEFORE, Span
from projections.state import Ahead, Closed, ahead_of

NEW_YORK = "America/New_York"
MET = "interactive_contact"


def program(counted: int = 0, missing: int | None = 1800, **more: Any) -> dict[str, Any]:
    """A row of a progress event: by default 30 minutes are missing to G3002."""
    row: dict[str, Any] = {
        "counted_seconds": counted, "excluded_seconds": {}, "unmet": [], "lines": [],
        "next": {"code": "G3002", "seconds_needed": missing} if missing else None,
    }  # fmt: skip
    return row | more


def line(status: str, *unmet: str, seconds: int | None = 1800) -> dict[str, Any]:
    return {"line_id": "l", "code": "G3002", "status": status, "unmet": list(unmet), "seconds": seconds}


def left_out(*reasons: str) -> dict[str, Any]:
    return {"excluded_seconds": dict.fromkeys(reasons, 600)}


def second(text: str | None, otherwise: int) -> int:
    return otherwise if text is None else int(datetime.fromisoformat(text).timestamp())


def shut(reason: str, since: str | None = None, until: str | None = None) -> list[tuple[str, Span]]:
    return [(reason, (second(since, BEFORE), second(until, AFTER)))]


def at(row: dict[str, Any], as_of: str, month: str = "2026-03", place: str = NEW_YORK, closed: Closed = ()) -> Ahead:
    return ahead_of(row, closed, month, zone(place), second(as_of, 0))


# March 2026 begins on a Sunday and has 22 working days; the 16th is a Monday with ten behind it and twelve from it on.
MIDDLE = "2026-03-16T12:00:00-04:00"
PACE = [
    (900, 900, "on_track"),
    (750, 900, "on_track"),
    (749, 900, "at_risk"),
    (0, 1800, "at_risk"),
]


@pytest.mark.parametrize(("counted", "missing", "state"), PACE)
def test_the_pace_so_far_against_the_pace_needed(counted: int, missing: int, state: str) -> None:
    assert at(program(counted, missing), MIDDLE) == Ahead(state, (), 12)


def test_before_the_first_working_day_nobody_is_late() -> None:
    assert at(program(), "2026-02-10T12:00:00-05:00") == Ahead("on_track", (), 22)
    assert at(program(), "2026-03-01T12:00:00-05:00") == Ahead("on_track", (), 22)
    assert at(program(), "2026-03-02T23:59:59-05:00") == Ahead("on_track", (), 22)
    assert at(program(), "2026-03-03T00:00:00-05:00") == Ahead("at_risk", (), 21)


def test_a_weekend_at_the_end_leaves_no_working_day() -> None:
    assert at(program(1790, 10), "2026-05-30T12:00:00-04:00", "2026-05") == Ahead("at_risk", (), 0)


# The last second in which 30 minutes can still be logged, and the next.
LAST = [
    ("2026-03", NEW_YORK, "2026-03-31T23:30:00-04:00"),
    ("2026-03", "America/Los_Angeles", "2026-03-31T23:30:00-07:00"),
    ("2026-03", "Pacific/Auckland", "2026-03-31T23:30:00+13:00"),
    ("2026-02", NEW_YORK, "2026-02-28T23:30:00-05:00"),
    ("2024-02", NEW_YORK, "2024-02-29T23:30:00-05:00"),
]


@pytest.mark.parametrize(("month", "place", "last"), LAST)
def test_the_month_ends_at_local_midnight(month: str, place: str, last: str) -> None:
    end = second(last, 0)
    local = zone(place)
    assert ahead_of(program(), (), month, local, end).state == "at_risk"
    assert ahead_of(program(), (), month, local, end + 1) == Ahead(
        "impossible", ("too_little_time",), ahead_of(program(), (), month, local, end).working_days_left
    )
    assert ahead_of(program(), (), month, local, end + 1799).why == ("too_little_time",)
    assert ahead_of(program(), (), month, local, end + 1800) == Ahead("impossible", ("month_over",), 0)


def test_clock_changes_count_as_they_elapse() -> None:
    """On 1 March 2026 a month of 31 days lasts 743 hours in New York, on 1 November one of 30 days 721."""
    spring, autumn = program(missing=743 * 3600), program(missing=721 * 3600)
    assert at(spring, "2026-03-01T00:00:00-05:00").state == "on_track"
    assert at(spring, "2026-03-01T00:00:01-05:00").state == "impossible"
    assert at(autumn, "2026-11-01T00:00:00-04:00", "2026-11").state == "on_track"
    assert at(autumn, "2026-11-01T00:00:01-04:00", "2026-11").state == "impossible"
    assert at(program(missing=743 * 3600 + 1), "2026-01-01T00:00:00-05:00").state == "impossible"


RULES = [
    ("a payable base", program(1800, 900, lines=[line("ready")]), "reached", ()),
    ("a base that waits for the close", program(900, 300, lines=[line("awaiting_close")]), "reached", ()),
    ("a closed base", program(1800, 900, lines=[line("closed")]), "reached", ()),
    ("nothing more to earn", program(1800, None, lines=[line("ready")]), "reached", ()),
    ("a device line and no time", program(lines=[line("ready", seconds=None)]), "reached", ()),
    ("a device line and too little time", program(900, 900, lines=[line("ready", seconds=None)]), "on_track", ()),
    ("a held line", program(1800, 900, lines=[line("held", "mdm", "care_plan")]), "blocked", ("care_plan", "mdm")),
    ("a line that waits for a contact", program(1800, 900, lines=[line("held", MET)]), "blocked", (MET,)),
    ("an excluded line", program(1800, 900, lines=[line("excluded")]), "blocked", ("excluded",)),
    ("a held line beside a payable one", program(lines=[line("held", "mdm"), line("closed", seconds=None)]), "blocked", ("mdm",)),
    ("a requirement on the way", program(900, 900, unmet=["condition"]), "blocked", ("condition",)),
    ("a contact that the missing time can bring", program(900, 900, unmet=[MET]), "on_track", ()),
    ("no code in force", program(900, None), "blocked", ("code_not_in_force",)),
    ("a role that does not count", program(**left_out("performer_role")), "blocked", ("performer_role",)),
    ("a role, and an overlap that says nothing of the next time", program(**left_out("performer_role", "overlap")), "at_risk", ()),
    ("a role, and what was before the consent", program(**left_out("before_consent", "performer_role")), "blocked", ("performer_role",)),
    ("what was before the consent alone", program(**left_out("before_consent")), "at_risk", ()),
    ("one person's role after counted time", program(900, 900, **left_out("performer_role")), "on_track", ()),
]  # fmt: skip


@pytest.mark.parametrize(("row", "state", "why"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_rules(row: dict[str, Any], state: str, why: tuple[str, ...]) -> None:
    assert at(row, MIDDLE) == Ahead(state, why, 12)


LEFT = [
    ("no consent at all", shut("before_consent"), "blocked", ("before_consent",)),
    ("two reasons", shut("before_consent") + shut("before_initiating_visit"), "blocked", ("before_consent", "before_initiating_visit")),
    ("an end this very second", shut("after_enrollment_end", MIDDLE), "blocked", ("after_enrollment_end",)),
    ("an end in a second", shut("after_enrollment_end", "2026-03-16T12:00:01-04:00"), "impossible", ("too_little_time",)),
    ("an end that leaves a second too little", shut("after_death", "2026-03-16T12:14:59-04:00"), "impossible", ("too_little_time",)),
    ("an end that leaves just enough", shut("after_death", "2026-03-16T12:15:00-04:00"), "on_track", ()),
    ("an end with the month", shut("after_revocation", "2026-04-01T00:00:00-04:00"), "on_track", ()),
    ("what is over", shut("before_consent", None, MIDDLE), "on_track", ()),
    ("what ends before the month does", shut("facility_stay", "2026-03-10T00:00:00Z", "2026-03-31T23:45:00-04:00"), "on_track", ()),
    ("what ends too late", shut("facility_stay", "2026-03-10T00:00:00Z", "2026-03-31T23:45:01-04:00"), "impossible", ("too_little_time",)),
    (
        "what leaves a gap between",
        shut("facility_stay", None, "2026-03-20T00:00:00Z") + shut("after_death", "2026-03-20T00:15:00Z"), "on_track", (),
    ),
    (
        "what leaves none",
        shut("facility_stay", None, "2026-03-20T00:00:00Z") + shut("after_death", "2026-03-20T00:00:00Z"), "blocked",
        ("after_death", "facility_stay"),
    ),
    ("what was in another month", shut("facility_stay", "2026-02-01T00:00:00Z", "2026-02-20T00:00:00Z"), "on_track", ()),
]  # fmt: skip


@pytest.mark.parametrize(("closed", "state", "why"), [case[1:] for case in LEFT], ids=[case[0] for case in LEFT])
def test_what_is_left_of_the_month(closed: Closed, state: str, why: tuple[str, ...]) -> None:
    assert at(program(900, 900), MIDDLE, closed=closed) == Ahead(state, why, 12)


def test_before_the_month_all_of_it_is_left() -> None:
    assert at(program(), "2026-02-10T12:00:00-05:00", closed=shut("before_consent", None, "2026-03-30T00:00:00Z")).state == "on_track"
    assert at(program(), "2026-02-10T12:00:00-05:00", closed=shut("after_death", "2026-02-20T00:00:00Z")).why == ("after_death",)


def test_what_is_reached_stays_reached_whatever_ends() -> None:
    row = program(1800, 900, lines=[line("ready")])
    assert at(row, MIDDLE, closed=shut("after_death", "2026-03-10T00:00:00Z")).state == "reached"


OVER = [
    (program(1800, 900, lines=[line("ready")]), "reached", ()),
    (program(1800, 900, lines=[line("held", "condition")]), "blocked", ("condition",)),
    (program(1799, 1), "impossible", ("month_over",)),
    (program(900, 900, unmet=["condition"]), "impossible", ("month_over",)),
    (program(**left_out("performer_role")), "impossible", ("month_over",)),
    (program(900, None), "impossible", ("month_over",)),
]


@pytest.mark.parametrize(("row", "state", "why"), OVER)
def test_after_the_month(row: dict[str, Any], state: str, why: tuple[str, ...]) -> None:
    assert at(row, "2026-04-01T00:00:00-04:00", closed=shut("before_consent")) == Ahead(state, why, 0)
