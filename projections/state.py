"""Whether a patient's next code can still be reached: the five states of the board, each with its rule (docs/board.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from domain.calendar import Zone, month_days
from domain.explanation import NOT_IN_FORCE
from domain.lines import CLOSED, EXCLUDED, HELD, PAYABLE
from domain.settlement import Row
from domain.tally import (
    AFTER_DEATH,
    AFTER_ENROLLMENT,
    AFTER_REVOCATION,
    BEFORE_CONSENT,
    BEFORE_VISIT,
    FACILITY_STAY,
    NOT_PERSONAL,
    PERFORMER_UNKNOWN,
    ROLE,
    SITE_UNKNOWN,
)

REACHED: Final = "reached"
ON_TRACK: Final = "on_track"
AT_RISK: Final = "at_risk"
IMPOSSIBLE: Final = "impossible"
BLOCKED: Final = "blocked"
STATES: Final = (REACHED, ON_TRACK, AT_RISK, IMPOSSIBLE, BLOCKED)

MONTH_OVER: Final = "month_over"
TOO_LITTLE_TIME: Final = "too_little_time"

GATES: Final = frozenset({BEFORE_CONSENT, AFTER_REVOCATION, BEFORE_VISIT, AFTER_ENROLLMENT, FACILITY_STAY, AFTER_DEATH})
"""Reasons that keep further time from counting too, whoever logs it, until something else is recorded."""

STANDING: Final = GATES | {SITE_UNKNOWN, PERFORMER_UNKNOWN, ROLE, NOT_PERSONAL}
"""Gates, and what keeps time of these people at this site from counting."""

MET_BY_TIME: Final = "interactive_contact"
"""The requirement that the missing time itself can meet, as long as no line waits for it."""


class Ahead(NamedTuple):
    """A state, what it rests on (names of requirements and reasons, for `blocked` and `impossible`), and the working days left."""

    state: str
    why: tuple[str, ...]
    working_days_left: int


def ahead_of(program: Row, month: str, local: Zone, as_of: int) -> Ahead:
    """The state of one program and practitioner, a row of a progress event, at an instant (epoch seconds), in a zone.

    The first rule that applies decides:

    1. `blocked`: a line is held or excluded.
    2. `reached`: a line of time is payable or closed; or one of a device is, and no time was logged.
    3. `impossible`: the local month is over.
    4. `blocked`: a requirement is unmet other than an interactive contact, which the missing time can bring; no code is in
       force; or what was logged last did not count for a standing reason.
    5. `impossible`: fewer seconds of the month are left than are missing.
    6. `on_track`: at the pace so far, counted seconds per working day gone by, the working days left bring the missing ones.
    7. `at_risk`: everything else.
    """
    gone, left = _working_days(month, local, as_of)
    low, high = local.month_bounds(month)
    if why := _stopped(program):
        return Ahead(BLOCKED, why, left)
    if _has_reached(program):
        return Ahead(REACHED, (), left)
    if as_of >= high:
        return Ahead(IMPOSSIBLE, (MONTH_OVER,), left)
    if why := _hindered(program):
        return Ahead(BLOCKED, why, left)
    missing = program["next"]["seconds_needed"]
    if high - max(as_of, low) < missing:
        return Ahead(IMPOSSIBLE, (TOO_LITTLE_TIME,), left)
    paced = program["counted_seconds"] * left >= missing * gone
    return Ahead(ON_TRACK if paced else AT_RISK, (), left)


def _stopped(program: Row) -> tuple[str, ...]:
    """What its lines wait for, or that another program's line stands in their place."""
    found = {name for line in program["lines"] if line["status"] == HELD for name in line["unmet"]}
    if any(line["status"] == EXCLUDED for line in program["lines"]):
        found.add(EXCLUDED)
    return tuple(sorted(found))


def _has_reached(program: Row) -> bool:
    payable = [line for line in program["lines"] if line["status"] in PAYABLE or line["status"] == CLOSED]
    logged = program["counted_seconds"] or program["excluded_seconds"]
    return any(line["seconds"] is not None for line in payable) or bool(payable and not logged)


def _hindered(program: Row) -> tuple[str, ...]:
    """What more time alone does not mend."""
    found = {name for name in program["unmet"] if name != MET_BY_TIME}
    if program["next"] is None:
        found.add(NOT_IN_FORCE)
    return tuple(sorted(found | _closed_gates(program)))


def _closed_gates(program: Row) -> set[str]:
    """Standing reasons of what was logged last: any of them while nothing counts, afterwards only those that bind everybody."""
    last = program["counted_until"]
    until = program["excluded_until"]
    if last is None:
        return set(until) if until and STANDING.issuperset(until) else set()
    return {reason for reason in GATES & until.keys() if until[reason] > last}


def _working_days(month: str, local: Zone, as_of: int) -> tuple[int, int]:
    """Mondays to Fridays of the month before the local date of `as_of`, and from it on."""
    first, after = month_days(month)
    today = min(max(local.day(as_of), first), after)
    return _weekdays(first, today), _weekdays(today, after)


@lru_cache(maxsize=4096)
def _weekdays(first: int, after: int) -> int:
    """Mondays to Fridays in `[first, after)`, dates as ordinals; ordinal 1 was a Monday."""
    return sum(1 <= day % 7 <= 5 for day in range(first, after))
