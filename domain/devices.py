"""Device windows, their days with a reading, and the set-up earned once an episode (docs/contract.md §3.12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from domain.calendar import DAY, EPOCH_DAY, UTC, Zone, month_days, month_of, zone
from domain.facts import History, Reading, Registry, SetUp
from domain.rulebook import DayCode, Devices, Program, Rulebook
from domain.spans import AFTER, Span, carve
from domain.standing import consent_runs, death_spans, enrollment_ends, known_set_ups, site_zone, stay_spans

NEVER = 1 << 40
_NONE = Devices(30, (), None)


class Series(NamedTuple):
    """Back-to-back windows of one kind from the date `first`; none begins after the date `stopped`; readings count until `ended`.

    `episode` numbers the stretch between two ends of the enrolment, in which set-up is paid once.
    """

    kind: str
    set_up: SetUp
    first: int
    stopped: int
    ended: int
    episode: int


Day = tuple[int, Reading]
"""A local date with a reading that counts; the earliest such reading stands for it. A bare tuple, since months have as many as days."""


class DeviceLine(NamedTuple):
    """A code earned by days: its date of service, its window, what it rests on."""

    code: str
    day: int
    site: str
    days: int
    window_start: int
    window_end: int
    evidence: tuple[str, ...]
    awaits_close: bool
    crossed: int


class DeviceMonth(NamedTuple):
    """The device and set-up lines whose date of service lies in the month; `early_codes`: device codes whose days are reached in a window
    ending in it, but which begin later or have ended."""

    lines: list[DeviceLine]
    early_codes: tuple[str, ...]


def device_month(history: History, month: str, program: str, practitioner: str, registry: Registry, rulebook: Rulebook) -> DeviceMonth:
    """What the devices of a program and practitioner come to in a month."""
    counter = _Counter(history, program, practitioner, registry, rulebook)
    series = counter.series()
    return DeviceMonth(list(counter.lines(series, month)), tuple(sorted(set(counter.not_in_force(series, month)))))


def owners(history: History) -> set[tuple[str, str]]:
    """Programs and practitioners that may have device lines."""
    return {(s.program, s.practitioner) for s in history.set_ups}


class _Counter:
    __slots__ = ("history", "known", "practitioner", "program", "registry", "rulebook")

    def __init__(self, history: History, program: str, practitioner: str, registry: Registry, rulebook: Rulebook) -> None:
        self.history = history
        self.program = program
        self.practitioner = practitioner
        self.registry = registry
        self.rulebook = rulebook
        self.known = history.known(registry)

    def lines(self, series: list[Series], month: str) -> Iterator[DeviceLine]:
        for one in series:
            yield from self._windows(one, month)
        for episode in sorted({one.episode for one in series}):
            yield from self._set_up([one for one in series if one.episode == episode], month)

    def not_in_force(self, series: list[Series], month: str) -> Iterator[str]:
        for one in series:
            for first, last in _windows_ending(one, month, self._length(one.first)):
                if not any(code.kind == one.kind for code in self._devices(last).codes):
                    days = len(self._days(one, first, last))
                    yield from (code.code for code in self._first_codes(one.kind) if code.least <= days <= code.most)

    def _first_codes(self, kind: str) -> list[DayCode]:
        """The codes a kind of device had when it first had any."""
        of_kind = ([code for code in self._devices(first).codes if code.kind == kind] for first in self.rulebook.starts)
        return next((codes for codes in of_kind if codes), [])

    def _program(self, day: int) -> Program:
        return self.rulebook.at(day).programs[self.program]

    def _devices(self, day: int) -> Devices:
        return self._program(day).devices or _NONE

    def series(self) -> list[Series]:
        """All windows there are, by kind."""
        key = ("series", id(self.rulebook), self.program, self.practitioner)
        if key not in self.known:
            self.known[key] = list(self._series()), self.rulebook
        found: list[Series] = self.known[key][0]
        return found

    def _series(self) -> Iterator[Series]:
        set_ups = [s for s in known_set_ups(self.history, self.program, self.registry) if s.practitioner == self.practitioner]
        ends = sorted(
            e.at for e in self.history.enrollments if not e.started and (e.program, e.practitioner) == (self.program, self.practitioner)
        )
        for kind in sorted({s.kind for s in set_ups}):
            yield from self._kind_series(kind, [s for s in set_ups if s.kind == kind], ends)

    def _kind_series(self, kind: str, set_ups: list[SetUp], ends: list[int]) -> Iterator[Series]:
        usable, free_from = 0, 0
        for set_up in set_ups:
            if set_up.at < usable:
                continue
            local = self._zone(set_up.site, set_up.at)
            first = max(local.day(set_up.at), free_from)
            ended = min((at for at in ends if at > set_up.at), default=AFTER)
            stopped = NEVER if ended == AFTER else local.day(ended)
            yield Series(kind, set_up, first, stopped, ended, sum(at <= set_up.at for at in ends))
            usable = ended
            if ended != AFTER and stopped >= first:
                length = self._length(first)
                free_from = first + ((stopped - first) // length + 1) * length

    def _length(self, day: int) -> int:
        return self._devices(day).days

    def _zone(self, site: str, instant: int) -> Zone:
        return site_zone(self.registry, site, instant) or UTC

    def _days(self, one: Series, first: int, last: int) -> list[Day]:
        """Distinct dates in `[first, last]` with a reading that counts, in order."""
        low, high = (first - 1 - EPOCH_DAY) * DAY, (last + 2 - EPOCH_DAY) * DAY  # whatever the zone
        mine = sorted([r for r in self.history.readings if low <= r[0] < high and r[3] == one.kind and r[2] == self.program])
        if not mine:
            return []
        spans = self._open(self._program(last), self._zone(one.set_up.site, one.set_up.at))
        kept = _clipped(mine, [(start, min(end, one.ended)) for start, end in spans])
        found = dict(zip(reversed(self._local_days(one.set_up.site, kept)), reversed(kept), strict=True))
        return [(day, found[day]) for day in sorted(found) if first <= day <= last]

    def _open(self, program: Program, local: Zone) -> list[Span]:
        """When readings count: in consent, and neither after an enrolment's end, nor in a stay, nor after death; in order."""
        key = ("open", id(program), self.practitioner, local.name)
        if key not in self.known:
            runs = consent_runs(self.history, program, self.practitioner, local, None)
            lost = [
                *enrollment_ends(self.history, self.program, self.practitioner),
                *stay_spans(self.history, program.device_stays),
                *death_spans(self.history),
            ]
            self.known[key] = sorted(carve([(start, end) for start, end, _ in runs], lost)[0]), program  # held, it keeps its id
        found: list[Span] = self.known[key][0]
        return found

    def _local_days(self, site: str, readings: list[Reading]) -> list[int]:
        """The readings' dates at the site; its zone is looked up once where it does not change between them."""
        if not readings:
            return []
        versions = self.registry.sites.get(site)
        fixed = versions.during(UTC.day(readings[0].at), UTC.day(readings[-1].at)) if versions else None
        if fixed is None:
            return [self._zone(site, r.at).day(r.at) for r in readings]
        return zone(fixed.zone).days([r[0] for r in readings])

    def _windows(self, one: Series, month: str) -> Iterator[DeviceLine]:
        for first, last in _windows_ending(one, month, self._length(one.first)):
            days = self._days(one, first, last)
            code = _code(self._devices(last), one.kind, len(days))
            if code is not None:
                yield self._line(code.code, one, days, first, last, last, awaits_close=True)

    def _set_up(self, episode: list[Series], month: str) -> Iterator[DeviceLine]:
        low, after = month_days(month)
        if not any(one.first < after and one.first + self._length(one.first) > low for one in episode):
            return
        reached = [found for one in episode if (found := self._reached(one)) is not None]
        if not reached:
            return
        day, one, code, days = min(reached, key=lambda r: (r[0], r[1].set_up.at, -r[1].set_up.time, r[1].set_up.identity))
        if month_of(day) == month:
            yield self._line(code, one, days, one.first, one.first + self._length(one.first) - 1, day, awaits_close=False)

    def _reached(self, one: Series) -> tuple[int, Series, str, list[Day]] | None:
        """The first reading day by which the first window has the days asked for on that day."""
        days = self._days(one, one.first, one.first + self._length(one.first) - 1)
        for count, (day, _) in enumerate(days, 1):
            asked = self._devices(day).set_up
            if asked is not None and count >= asked.least:
                return day, one, asked.code, days[:count]
        return None

    def _line(self, code: str, one: Series, days: list[Day], first: int, last: int, day: int, *, awaits_close: bool) -> DeviceLine:
        noon = (day - EPOCH_DAY) * DAY + DAY // 2
        local = self._zone(one.set_up.site, noon)
        local = self._zone(one.set_up.site, local.day_start(day + 1) - 1)
        evidence = sorted([(one.set_up.at, one.set_up.identity), *[reading[:2] for _, reading in days]])
        return DeviceLine(
            code, day, one.set_up.site, len(days), first, last, tuple([i for _, i in evidence]), awaits_close, local.day_start(day + 1)
        )


def _clipped(readings: list[Reading], spans: list[Span]) -> list[Reading]:
    """Those of the readings, which are in order of time, that lie in one of the spans, which are too."""
    if len(spans) == 1 and spans[0][0] <= readings[0][0] and readings[-1][0] < spans[0][1]:
        return readings
    return [r for start, end in spans for r in readings if start <= r[0] < end]


def _windows_ending(one: Series, month: str, length: int) -> Iterator[tuple[int, int]]:
    """The series' windows whose last day lies in the month; the one running when the series stopped is the last."""
    low, after = month_days(month)
    first = one.first + max(0, (low - one.first) // length - 1) * length
    while first + length - 1 < after and first <= one.stopped:
        if first + length - 1 >= low:
            yield first, first + length - 1
        first += length


def _code(devices: Devices, kind: str, days: int) -> DayCode | None:
    return next((code for code in devices.codes if code.kind == kind and code.least <= days <= code.most), None)
