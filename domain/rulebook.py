"""The rules of one rule set, compiled to what deciding needs.

A rule file says what holds from which date and who says so; here the same values stand resolved for one day,
in seconds and sets, so that deciding a patient-month looks nothing up by date again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class TimeCode(NamedTuple):
    """A code earned by counted seconds: a base, or an add-on for each further full increment.

    `seconds` is the base's threshold, or the length of one increment of an add-on. `cap` is the most units payable
    (the smaller of the unit limit for one date of service and the rule's own "at most"); None means no limit is known.
    """

    code: str
    seconds: int
    cap: int | None
    awaits_close: bool = False


class Requirement(NamedTuple):
    """Something that must be on file before a line is payable; without it the line is held.

    `name` is one of `condition`, `care_plan`, `interactive_contact`, `mdm`; the other fields narrow it:
    `category`, `different` (how many different ICD-10 codes) and `months` (least expected duration) for conditions, `onset_months`
    (calendar months between onset and date of service), `levels` for medical decision making.
    """

    name: str
    text: str
    citation: str
    category: str | None = None
    different: int = 1
    months: int | None = None
    onset_months: int | None = None
    levels: frozenset[str] = frozenset()


class Track(NamedTuple):
    """Who may do the work and what it earns. `bases` are sorted by threshold; the highest one filled applies.

    `direct_roles` count only under direct supervision; `employments`, where set, limits roles outside `exempt_roles`
    to those kinds of employment.
    """

    roles: frozenset[str]
    personal: bool
    bases: tuple[TimeCode, ...]
    addons: Mapping[str, TimeCode]
    requirements: tuple[Requirement, ...]
    direct_roles: frozenset[str] = frozenset()
    employments: frozenset[str] | None = None
    exempt_roles: frozenset[str] = frozenset()


class Visit(NamedTuple):
    """The visit that must come first. `within_months` reaches back from the date of the consent that began the present run.

    `counts_from` is `start` or `end` of the first qualifying visit; `is_time`: the first one counts as time of the
    program itself unless separately billed.
    """

    kinds: frozenset[str]
    modalities: frozenset[str] | None
    settings: frozenset[str] | None
    least_seconds: int
    within_months: int | None
    counts_from: str
    is_time: bool


class DayCode(NamedTuple):
    """A device code earned by distinct days with a reading in one window."""

    code: str
    kind: str
    least: int
    most: int
    cap: int | None


class SetUpCode(NamedTuple):
    """The code for setting a device up, earned once an episode when the first window has `least` days."""

    code: str
    least: int
    cap: int | None


class Devices(NamedTuple):
    """Device windows of a program: `days` long, back to back from the set-up."""

    days: int
    codes: tuple[DayCode, ...]
    set_up: SetUpCode | None


class Program(NamedTuple):
    """One program's rules as they stand on one day.

    `consent_ends` is `instant` or `month_end` (when a revocation takes effect); `consent_in_visit`: a consent given
    during the first qualifying visit counts from its start; `stays`: kinds of facility stay whose seconds do not count.
    `device_stays`: the same for readings. `not_in_force` names per track (and per device kind) the codes that begin later or ended.
    """

    name: str
    default_track: str | None
    tracks: Mapping[str | None, Track]
    consent_ends: str
    consent_in_visit: bool
    visit: Visit | None
    stays: frozenset[str]
    device_stays: frozenset[str]
    one_practitioner: bool
    devices: Devices | None
    consent_citation: str = ""
    visit_citation: str = ""


class Exclusion(NamedTuple):
    """Two programs that are not paid together: of one practitioner, or of the patient whoever the practitioners."""

    first: str
    second: str
    same_practitioner: bool
    citation: str


class DayRules(NamedTuple):
    """All programs as they stand on one day."""

    programs: Mapping[str, Program]
    exclusions: tuple[Exclusion, ...]


class Price(NamedTuple):
    """National Medicare amounts in US cents; None where none is known."""

    nonfacility: int | None
    facility: int | None


@dataclass(frozen=True, slots=True)
class CodeText:
    """What people read of a code: our short label, the rule in one line, its citation, first and last day (ordinals)."""

    code: str
    program: str
    label: str
    rule: str
    citation: str
    first_day: int
    last_day: int | None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A whole rule set: `id` for people, `digest` (hex) of its content for machines.

    `starts` are the ordinals at which any value changes and `days` the rules that hold from each; a day before the
    first start is decided by the first (its codes are simply not in force). `prices` map a code to its dated amounts.
    """

    id: str
    digest: str
    legal_status: str
    last_verified_year: int
    starts: tuple[int, ...]
    days: tuple[DayRules, ...]
    prices: Mapping[str, tuple[tuple[int, int, Price], ...]]
    facility_pos: frozenset[str]
    texts: Mapping[str, CodeText]
    document: Mapping[str, object] = field(repr=False, hash=False, compare=False, default_factory=dict)

    def at(self, day: int) -> DayRules:
        """The rules in force on `day` (date ordinal)."""
        return self.days[max(bisect_right(self.starts, day) - 1, 0)]

    def cents(self, code: str, day: int, pos: str | None) -> int | None:
        """The amount of one unit in US cents on `day` at a place of service; None where no price is known."""
        for first, last, price in reversed(self.prices.get(code, ())):
            if first <= day <= last:
                return price.facility if pos in self.facility_pos else price.nonfacility
        return None
