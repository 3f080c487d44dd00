"""The rules of one family as they stand on one day. Two rules that both claim a case are refused here, naming both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from domain.rulebook import DayCode, Devices, Program, SetUpCode, TimeCode, Track
from domain.rulebook_dated import Citations, Dated, iso
from domain.rulebook_family import CodeSource, DaySource, DeviceSource, FamilySource, TimeSource, TrackSource
from domain.rulebook_reader import RuleError

T = TypeVar("T")

Limits = Mapping[str, Dated[int | None]]


class Day(NamedTuple):
    """A day (ordinal), the unit limits by code and the sources: what resolving a family takes besides the family."""

    day: int
    limits: Limits
    citations: Citations

    def cap(self, code: str, at_most: Dated[int] | None = None) -> int | None:
        """The smaller of the limit for one date of service and the rule's own "at most"; None where neither is known."""
        known = [limit for limit in (self.limits[code].at(self.day), at_most.at(self.day) if at_most else None) if limit is not None]
        return min(known, default=None)

    def spell(self) -> str:
        """The day as people write it."""
        return iso(self.day)


def resolve(family: FamilySource, day: Day) -> Program:
    """The program as it stands on the day. Raises RuleError where two codes claim one case."""
    visit = family.visit.version(day.day)
    return Program(
        name=family.program,
        default_track=family.default_track,
        tracks={name: _track(track, day) for name, track in family.tracks.items()},
        consent_ends=family.consent_ends.at(day.day),
        consent_in_visit=family.consent_in_visit.at(day.day),
        visit=visit.value,
        stays=family.stays.at(day.day),
        device_stays=family.devices.stays.at(day.day) if family.devices else frozenset(),
        one_practitioner=family.one_practitioner.at(day.day),
        devices=_devices(family.devices, day) if family.devices else None,
        consent_citation=day.citations.cite(family.consent_ends.version(day.day).sources),
        visit_citation=day.citations.cite(visit.sources) if visit.value else "",
    )


def _track(track: TrackSource, day: Day) -> Track:
    employment = track.employment.at(day.day)
    bases = _bases([code for code in track.codes if code.adds_to is None and code.head.in_force.within(day.day)], day)
    return Track(
        roles=track.roles.at(day.day),
        personal=track.personal.at(day.day),
        bases=bases,
        addons=_addons(track, {base.code for base in bases}, day),
        requirements=tuple(_present(requirement.on(day.day, day.citations) for requirement in track.requirements)),
        direct_roles=track.direct_supervision.at(day.day),
        employments=employment.kinds if employment else None,
        exempt_roles=employment.exempt if employment else frozenset(),
    )


def _present(values: Iterable[T | None]) -> Iterator[T]:
    return (value for value in values if value is not None)


def _time_code(source: TimeSource, day: Day) -> TimeCode:
    awaits = bool(source.awaits_close and source.awaits_close.at(day.day))
    return TimeCode(source.head.code, 60 * source.minutes.at(day.day), day.cap(source.head.code, source.at_most), awaits)


def _bases(sources: list[TimeSource], day: Day) -> tuple[TimeCode, ...]:
    claimed: dict[int, str] = {}
    for source in sources:
        code, minutes = source.head.code, source.minutes.at(day.day)
        if minutes in claimed:
            _both(source.head, day, f"a threshold of its own beside the base {claimed[minutes]}", f"{code} at the same {minutes} minutes")
        claimed[minutes] = code
    return tuple(sorted((_time_code(source, day) for source in sources), key=lambda base: base.seconds))


def _addons(track: TrackSource, bases: set[str], day: Day) -> dict[str, TimeCode]:
    found: dict[str, TimeCode] = {}
    for source in track.codes:
        base = source.adds_to
        if base is None or not source.head.in_force.within(day.day):
            continue
        if base not in bases:
            _both(source.head, day, "a base of this track in force to add to", f"adds_to: '{base}'")
        if base in found:
            _both(source.head, day, f"one add-on to {base}: {found[base].code} is one already", f"{source.head.code} as another")
        found[base] = _time_code(source, day)
    return found


def _devices(devices: DeviceSource, day: Day) -> Devices:
    codes = [source for source in devices.codes if source.head.in_force.within(day.day)]
    window = devices.window_days.at(day.day)
    for index, source in enumerate(codes):
        _check_days(source, codes[:index], window, day)
    return Devices(days=window, codes=tuple(_day_code(source, day) for source in codes), set_up=_set_up(devices.set_ups, day))


def _check_days(source: DaySource, earlier: list[DaySource], window: int, day: Day) -> None:
    least, most = source.days.at(day.day)
    if most > window:
        _both(source.head, day, f"days within the window of {window}", f"{most} days")
    for other in (o for o in earlier if o.kind == source.kind):
        low, high = other.days.at(day.day)
        if least <= high and low <= most:
            expected = f"days that {other.head.code} ({low} to {high} days of {source.kind}) does not claim"
            _both(source.head, day, expected, f"{least} to {most} days")


def _day_code(source: DaySource, day: Day) -> DayCode:
    least, most = source.days.at(day.day)
    return DayCode(source.head.code, source.kind or "", least, most, day.cap(source.head.code))


def _set_up(sources: Iterable[DaySource], day: Day) -> SetUpCode | None:
    found: SetUpCode | None = None
    for source in (s for s in sources if s.head.in_force.within(day.day)):
        if found:
            _both(source.head, day, f"one set-up code: {found.code} is one already", f"{source.head.code} as another")
        found = SetUpCode(source.head.code, source.days.at(day.day)[0], day.cap(source.head.code))
    return found


def _both(head: CodeSource, day: Day, expected: str, found: str) -> None:
    raise RuleError(head.place.path, f"on {day.spell()} {expected}", found)
