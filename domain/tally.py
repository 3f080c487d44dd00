"""What one program and practitioner have in a month: seconds that count, and seconds that do not, with the reason."""

from __future__ import annotations

from typing import Final, NamedTuple

from domain.calendar import Zone
from domain.facts import Entry

RETRACTED: Final = "retracted"
INFERRED: Final = "inferred_source"
SITE_UNKNOWN: Final = "site_unknown"
PERFORMER_UNKNOWN: Final = "performer_unknown"
ROLE: Final = "performer_role"
NOT_PERSONAL: Final = "not_personal"
BEFORE_CONSENT: Final = "before_consent"
AFTER_REVOCATION: Final = "after_revocation"
BEFORE_VISIT: Final = "before_initiating_visit"
AFTER_ENROLLMENT: Final = "after_enrollment_end"
FACILITY_STAY: Final = "facility_stay"
AFTER_DEATH: Final = "after_death"
BILLED_VISIT: Final = "billed_visit"
DOUBLE_BOOKED: Final = "performer_double_booked"
OVERLAP: Final = "overlap"

REASONS: Final = (
    RETRACTED,
    INFERRED,
    SITE_UNKNOWN,
    PERFORMER_UNKNOWN,
    ROLE,
    NOT_PERSONAL,
    BEFORE_CONSENT,
    AFTER_REVOCATION,
    BEFORE_VISIT,
    AFTER_ENROLLMENT,
    FACILITY_STAY,
    AFTER_DEATH,
    BILLED_VISIT,
    DOUBLE_BOOKED,
    OVERLAP,
)
"""In the order in which they are asked; the first that holds is reported."""


Counted = tuple[int, int, Entry, Zone]
"""Start and end of seconds that count, their entry, and the zone that gives their local date. A bare tuple: there are as many as
entries, and each is made and taken apart a few times."""


class Excluded(NamedTuple):
    """Seconds of an entry that do not count, and the first reason why."""

    start: int
    end: int
    entry: Entry
    reason: str


class Tally:
    """The rows of one program and practitioner; `total` is the sum of the counted seconds.

    `cut` says that some entry may count in parts, or that two begin at once: what counts then stands in the order in which overlaps
    are won, which need not be that of time, nor that of evidence.
    """

    __slots__ = ("counted", "cut", "excluded", "practitioner", "program", "total", "track")

    def __init__(self, program: str, practitioner: str, track: str | None) -> None:
        self.program = program
        self.practitioner = practitioner
        self.track = track
        self.total = 0
        self.cut = False
        self.counted: list[Counted] = []
        self.excluded: list[Excluded] = []

    def evidence(self) -> tuple[str, ...]:
        """Identities of the entries that count, by start, then identity."""
        if not self.cut:
            return tuple([entry[2] for _, _, entry, _ in self.counted])
        return tuple([identity for _, identity in sorted({(entry.start, entry.identity) for _, _, entry, _ in self.counted})])

    def finish(self) -> None:
        """Bring the counted seconds into order of time and add them up."""
        if self.cut:
            self.counted.sort()
        self.total = sum([end - start for start, end, _, _ in self.counted])
