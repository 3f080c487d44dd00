"""Whether a patient's next code can still be reached: the five states of the board, each with its rule (docs/board.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from domain.calendar import Zone, month_days
from domain.explanation import NOT_IN_FORCE
from domain.lines import CLOSED, EXCLUDED, HELD, PAYABLE
from domain.settlement import Row
from domain.spans import Span, carve, clip
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

PEOPLE: Final = frozenset({SITE_UNKNOWN, PERFORMER_UNKNOWN, ROLE, NOT_PERSONAL})
"""Reasons that keep time of these people at this site from counting, until something else is recorded."""

STANDING: Final = PEOPLE | {BEFORE_CONSENT, AFTER_REVOCATION, BEFORE_VISIT, AFTER_ENROLLMENT, FACILITY_STAY, AFTER_DEATH}
"""These, and those of the calendar: the spans in which they hold are known without any time logged."""

Closed = Sequence[tuple[str, Span]]
"""Reasons of the calendar with the spans of seconds in which no time counts for them."""

MET_BY_TIME: Final = "interactive_contact"
"""The requirement that the missing time itself can meet, as long as no line waits for it."""


class Ahead(NamedTuple):
    """A state, what it rests on (names of requirements and reasons, for `blocked` and `impossible`), and the working days left."""

    state: str
    why: tuple[str, ...]
    working_days_left: int


def ahead_of(program: Row, closed: Closed, month: str, local: Zone, as_of: int) -> Ahead:
    """The state of one program and practitioner, a row of a progress event, at an instant (epoch seconds), in a zone.

    What is left of the month are its seconds from that instant on; those in a span of `closed` count for nobody.

    The first rule that applies decides:

    1. `blocked`: a line is held or excluded.
    2. `reached`: a line of time is payable or closed; or one of a device is, and no time was logged.
    3. `impossible`: the local month is over.
    4. `blocked`: a requirement is unmet other than an interactive contact, which the missing time can bring; no code is in
       force; none of what is left of the month counts; or nothing counts so far, each second for a standing reason, some of
       them for the people or the site.
    5. `impossible`: of what is left fewer seconds count than are missing.
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
    rest = (max(as_of, low), high)
    open_seconds = sum(end - start for start, end in carve([rest], (span for _, span in closed))[0])
    shut = set() if open_seconds else {reason for reason, span in closed if clip([span], *rest)}
    if why := _hindered(program, shut):
        return Ahead(BLOCKED, why, left)
    missing = program["next"]["seconds_needed"]
    if open_seconds < missing:
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


def _hindered(program: Row, shut: set[str]) -> tuple[str, ...]:
    """What more time alone does not mend."""
    found = shut | {name for name in program["unmet"] if name != MET_BY_TIME}
    if program["next"] is None:
        found.add(NOT_IN_FORCE)
    reasons = program["excluded_seconds"].keys()
    if not program["counted_seconds"] and STANDING.issuperset(reasons):
        found |= PEOPLE & reasons
    return tuple(sorted(found))


def _working_days(month: str, local: Zone, as_of: int) -> tuple[int, int]:
    """Mondays to Fridays of the month before the local date of `as_of`, and from it on."""
    first, after = month_days(month)
    today = min(max(local.day(as_of), first), after)
    return _weekdays(first, today), _weekdays(today, after)


@lru_cache(maxsize=4096)
def _weekdays(first: int, after: int) -> int:
    """Mondays to Fridays in `[first, after)`, dates as ordinals; ordinal 1 was a Monday."""
    return sum(1 <= day % 7 <= 5 for day in range(first, after))
