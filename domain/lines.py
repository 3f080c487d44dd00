"""Lines: what a tally of counted seconds, or a device window, amounts to (docs/contract.md §3.8-§3.16)."""

from __future__ import annotations

from typing import Final, NamedTuple

from domain.calendar import Zone, add_months
from domain.devices import DeviceLine
from domain.facts import Entry, History, Registry
from domain.rulebook import Requirement, Rulebook, TimeCode, Track
from domain.tally import Counted, Tally

READY: Final = "ready"
HELD: Final = "held"
AWAITING_CLOSE: Final = "awaiting_close"
EXCLUDED: Final = "excluded"
CLOSED: Final = "closed"
PAYABLE: Final = frozenset({READY, AWAITING_CLOSE})

Key = tuple[str, str, str, int | None]


class Line(NamedTuple):
    """One code of one program and practitioner in the month.

    `day`, `window_start` and `window_end` are date ordinals, `cents` the amount of one unit in US cents (None: no price
    known), `seconds` the counted seconds behind it (None for a device line, which has `days`). `base` is the code an add-on
    goes with, `crossed` the instant from which the line stands, `rank` the key of the line that excludes it.
    """

    program: str
    practitioner: str
    code: str
    window_start: int | None
    site: str
    units: int
    excess: int
    status: str
    unmet: tuple[str, ...]
    day: int
    seconds: int | None
    days: int | None
    window_end: int | None
    cents: int | None
    evidence: tuple[str, ...]
    base: str | None
    crossed: int
    excluded_by: Key | None = None

    @property
    def key(self) -> Key:
        """What identifies the line within its patient-month."""
        return self.program, self.practitioner, self.code, self.window_start


class Next(NamedTuple):
    """The next code that more time would earn, and the counted seconds still missing."""

    code: str
    seconds: int


def reach(counted: list[Counted], threshold: int) -> tuple[int, Entry, Zone]:
    """The end of the second by which `threshold` seconds are counted, in order of time, its entry and its zone.

    The caller knows that there are as many; ValueError where there are not.
    """
    missing = threshold
    for start, end, entry, zone in counted:
        if end - start >= missing:
            return start + missing, entry, zone
        missing -= end - start
    raise ValueError(f"the counted seconds end {missing} s before the threshold of {threshold} s; the total disagrees with its pieces")


def base_of(track: Track, total: int) -> TimeCode | None:
    """The base that the total fills: of several the highest."""
    found = None
    for base in track.bases:
        if total >= base.seconds:
            found = base
    return found


def next_code(track: Track, total: int) -> Next | None:
    """What more counted time would earn next; None where it would not be payable."""
    for base in track.bases:
        if total < base.seconds:
            return Next(base.code, base.seconds - total)
    return _next_addon(track, track.bases[-1], total) if track.bases else None


def _next_addon(track: Track, base: TimeCode, total: int) -> Next | None:
    addon = track.addons.get(base.code)
    if addon is None:
        return None
    units = (total - base.seconds) // addon.seconds
    if addon.cap is not None and units >= addon.cap:
        return None
    return Next(addon.code, base.seconds + (units + 1) * addon.seconds - total)


def unmet(history: History, track: Track, tally: Tally, month: str, zone: Zone, day: int) -> tuple[str, ...]:
    """Names of the requirements that are not on file for a date of service, sorted."""
    missing = [r.name for r in track.requirements if not _met(r, history, tally, month, zone, day)]
    return tuple(sorted(missing)) if missing else ()


def _met(requirement: Requirement, history: History, tally: Tally, month: str, zone: Zone, day: int) -> bool:
    name = requirement.name
    if name == "condition":
        return condition_met(requirement, history, day)
    if name == "care_plan":
        end = zone.month_bounds(month)[1]
        return any(p.at < end and p.program == tally.program and p.practitioner == tally.practitioner for p in history.plans)
    if name == "interactive_contact":
        return any(entry.interactive for _, _, entry, _ in tally.counted)
    return _level(history, tally.practitioner, month) in requirement.levels


def condition_met(requirement: Requirement, history: History, day: int) -> bool:
    """Whether enough different conditions of the category are on file, long enough where that is asked."""
    _, _, _, category, different, months, onset_months, _ = requirement
    codes = {
        c.icd10
        for c in history.conditions
        if c.category == category
        and (months is None or c.months is None or c.months >= months)
        and (onset_months is None or (c.onset is not None and add_months(c.onset, onset_months) <= day))
    }
    return len(codes) >= different


def _level(history: History, practitioner: str, month: str) -> str | None:
    found = [c for c in history.complexities if c.practitioner == practitioner and c.month == month]
    return min(found, key=lambda c: (-c.time, c.identity)).level if found else None


def place_of_service(site: str, day: int, registry: Registry) -> str | None:
    """The site's place of service on a date, or where it was registered from the next date on, on that; None while unknown."""
    versions = registry.sites.get(site)
    version = (versions.on(day) or versions.on(day + 1)) if versions else None
    return version.pos if version else None


def time_lines(tally: Tally, track: Track, history: History, month: str, registry: Registry, rulebook: Rulebook) -> list[Line]:
    """The base the tally fills and its add-on, payable or held; empty below the lowest threshold."""
    base = base_of(track, tally.total)
    if base is None:
        return []
    crossed, entry, zone = reach(tally.counted, base.seconds)
    day = zone.day(crossed - 1)
    missing = unmet(history, track, tally, month, zone, day)
    status = HELD if missing else AWAITING_CLOSE if base.awaits_close else READY
    evidence, pos = tally.evidence(), place_of_service(entry.site, day, registry)
    units: list[tuple[TimeCode, int, str | None]] = [(base, 1, None)]
    addon = track.addons.get(base.code)
    if addon is not None and tally.total >= base.seconds + addon.seconds:
        units.append((addon, (tally.total - base.seconds) // addon.seconds, base.code))
    return [
        Line(
            tally.program, tally.practitioner, code.code, None, entry.site,
            payable := earned if code.cap is None else min(earned, code.cap), earned - payable,
            status, missing, day, tally.total, None, None, rulebook.cents(code.code, day, pos), evidence, of, crossed,
        )
        for code, earned, of in units
    ]  # fmt: skip


def device_line(found: DeviceLine, program: str, practitioner: str, registry: Registry, rulebook: Rulebook) -> Line:
    """A device or set-up line: one unit, awaiting the month's close where its window must end first."""
    cents = rulebook.cents(found.code, found.day, place_of_service(found.site, found.day, registry))
    status = AWAITING_CLOSE if found.awaits_close else READY
    return Line(
        program, practitioner, found.code, found.window_start, found.site, 1, 0, status, (), found.day, None, found.days,
        found.window_end, cents, found.evidence, None, found.crossed,
    )  # fmt: skip


def provisional_day(tally: Tally) -> tuple[Zone, int]:
    """Zone and date on which requirements are judged before a threshold is filled: those of the last counted second."""
    _, end, _, zone = tally.counted[-1]
    return zone, zone.day(end - 1)
