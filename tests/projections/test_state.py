"""The states of the board: each rule, at its border, at month ends, in zones and over clock changes."""

from datetime import datetime
from typing import Any

import pytest

from domain.calendar import zone
from projections.state import Ahead, ahead_of

NEW_YORK = "America/New_York"
MET = "interactive_contact"


def program(counted: int = 0, missing: int | None = 1800, **more: Any) -> dict[str, Any]:
    """A row of a progress event: by default 30 minutes are missing to G3002."""
    row: dict[str, Any] = {
        "counted_seconds": counted, "counted_until": "2026-03-03T00:00:00Z" if counted else None, "excluded_seconds": {},
        "excluded_until": {}, "next": {"code": "G3002", "seconds_needed": missing} if missing else None, "unmet": [], "lines": [],
    }  # fmt: skip
    return row | more


def line(status: str, *unmet: str, seconds: int | None = 1800) -> dict[str, Any]:
    return {"line_id": "l", "code": "G3002", "status": status, "unmet": list(unmet), "seconds": seconds}


def left_out(**until: str) -> dict[str, Any]:
    return {"excluded_seconds": dict.fromkeys(until, 600), "excluded_until": until}


def at(row: dict[str, Any], as_of: str, month: str = "2026-03", place: str = NEW_YORK) -> Ahead:
    return ahead_of(row, month, zone(place), int(datetime.fromisoformat(as_of).timestamp()))


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
    second = int(datetime.fromisoformat(last).timestamp())
    local = zone(place)
    assert ahead_of(program(), month, local, second).state == "at_risk"
    assert ahead_of(program(), month, local, second + 1) == Ahead(
        "impossible", ("too_little_time",), ahead_of(program(), month, local, second).working_days_left
    )
    assert ahead_of(program(), month, local, second + 1799).why == ("too_little_time",)
    assert ahead_of(program(), month, local, second + 1800) == Ahead("impossible", ("month_over",), 0)


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
    ("no consent at all", program(**left_out(before_consent="2026-03-04T00:00:00Z")), "blocked", ("before_consent",)),
    ("a role that does not count", program(**left_out(performer_role="2026-03-04T00:00:00Z")), "blocked", ("performer_role",)),
    (
        "no consent, and an overlap that says nothing of the next time",
        program(**left_out(before_consent="2026-03-04T00:00:00Z", overlap="2026-03-05T00:00:00Z")), "at_risk", (),
    ),
    ("an end after counted time", program(900, 900, **left_out(after_death="2026-03-04T00:00:00Z")), "blocked", ("after_death",)),
    ("time before the consent, then counted time", program(900, 900, **left_out(before_consent="2026-03-02T00:00:00Z")), "on_track", ()),
    ("one person's role after counted time", program(900, 900, **left_out(performer_role="2026-03-04T00:00:00Z")), "on_track", ()),
]  # fmt: skip


@pytest.mark.parametrize(("row", "state", "why"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_rules(row: dict[str, Any], state: str, why: tuple[str, ...]) -> None:
    assert at(row, MIDDLE) == Ahead(state, why, 12)


OVER = [
    (program(1800, 900, lines=[line("ready")]), "reached", ()),
    (program(1800, 900, lines=[line("held", "condition")]), "blocked", ("condition",)),
    (program(1799, 1), "impossible", ("month_over",)),
    (program(900, 900, unmet=["condition"]), "impossible", ("month_over",)),
    (program(**left_out(before_consent="2026-03-04T00:00:00Z")), "impossible", ("month_over",)),
    (program(900, None), "impossible", ("month_over",)),
]


@pytest.mark.parametrize(("row", "state", "why"), OVER)
def test_after_the_month(row: dict[str, Any], state: str, why: tuple[str, ...]) -> None:
    assert at(row, "2026-04-01T00:00:00-04:00") == Ahead(state, why, 0)
