"""Where two rulebooks may come to different lines: in which months, and what has to be on file there. What is not named here is decided
alike under both.

A patient-month may differ only by time, visits or readings of a program whose rules differ, and only by as much of it as the difference
asks for: where seconds count alike and only codes earn otherwise, time below the first of those thresholds comes to the same. A program
takes seconds from others, or excludes them, only by time, devices or visits of its own; double bookings do not depend on rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from domain.calendar import month_days, month_of
from domain.records import Facts, months_of, reading_months
from domain.rulebook import DayRules, Program, Requirement, Rulebook, Track
from domain.rulebook_stitch import Stitched
from domain.spans import Span

AHEAD: Final = 100
"""Days after a month by which the first windows are over whose set-up line may stand in it."""
EVERYTHING: Final = frozenset({"*"})
"""Stands for all programs."""
_NOTHING: Final[Facts] = {}

Names = tuple[str, str]


class Need(NamedTuple):
    """What of a program must be on file for a patient-month to differ: so many seconds of time (None: no time does), any time that may
    reach over the month's edges, readings that bear on its windows."""

    seconds: int | None = None
    edges: bool = False
    readings: bool = False

    def together(self, other: Need) -> Need:
        """What either asks for."""
        seconds = [one.seconds for one in (self, other) if one.seconds is not None]
        return Need(min(seconds, default=None), self.edges or other.edges, self.readings or other.readings)


NOTHING: Final = Need()
ANYTHING: Final = Need(0, edges=True, readings=True)


class Month(NamedTuple):
    """What may differ in a month: by program what is needed, programs that exclude each other under one rulebook only, and by program the
    kinds of visit that are time of it. `everything`: all patient-months may."""

    needs: Mapping[str, Need]
    rivals: frozenset[Names]
    visits: Mapping[str, frozenset[str]]
    everything: bool


class Differences:
    """What two rulebooks decide differently, month by month."""

    def __init__(self, one: Rulebook, other: Rulebook) -> None:
        self._books = one, other
        self._turns = sorted({0, *one.starts, *other.starts})
        self._pairs = [(one.at(day), other.at(day)) for day in self._turns]
        self._devices = [frozenset(_devices_differ(*pair)) for pair in self._pairs]
        self._of: dict[str, Month] = {}

    def programs(self, month: str) -> frozenset[str]:
        """The programs whose rules or prices differ for a month; EVERYTHING where the difference is no program's own."""
        found = self._month(month)
        return EVERYTHING if found.everything else frozenset(found.needs).union(*found.rivals)

    def reads(self, month: str, lasting: Facts) -> set[str]:
        """The earlier months whose documents say, too, whether the patient's month may differ."""
        needs = self._month(month).needs
        devices = any(row[1] in needs and needs[row[1]].readings for row in lasting.get("set_ups", ()))
        return reading_months(lasting, month) if devices or self._month(month).rivals else set()

    def bears_on(self, month: str, lasting: Facts, documents: Mapping[str, Facts]) -> bool:
        """Whether a patient-month may differ, by the patient's lasting facts and the documents by month: its own and those of `reads`.

        Documents in which no program of `programs` is named may be left out.
        """
        found = self._month(month)
        if found.everything:
            return True
        file = _File(month, lasting, documents, found.visits)
        return any(file.has(name, need) for name, need in found.needs.items()) or any(
            all(file.has(name, ANYTHING) for name in names) for names in found.rivals
        )

    def _month(self, month: str) -> Month:
        found = self._of.get(month)
        if found is None:
            found = self._of[month] = self._found(month)
        return found

    def _found(self, month: str) -> Month:
        first, after = month_days(month)
        pairs = [self._at(day) for day in (first, month_days(month_of(max(first - 1, 1)))[0], after)]
        needs: dict[str, Need] = {}
        for name, need in (*_of_time(pairs[0]), *_of_edges(pairs[1:]), *self._of_devices(after), *self._of_prices(month)):
            needs[name] = need.together(needs.get(name, NOTHING))
        visits = {name: frozenset(_visits(name, pairs)) for name in needs.keys() | pairs[0][0].programs.keys()}
        needs = {name: need for name, need in needs.items() if need != NOTHING}
        return Month(needs, frozenset(_rivals(*pairs[0])), visits, self._facilities(first, after))

    def _at(self, day: int) -> tuple[DayRules, DayRules]:
        one, other = self._books
        return one.at(day), other.at(day)

    def _of_devices(self, after: int) -> Iterator[tuple[str, Need]]:
        """Windows lie back to back: other rules once bear on all that follow."""
        for begin, names in zip(self._turns, self._devices, strict=True):
            if begin < after + AHEAD:
                yield from ((name, Need(readings=True)) for name in names)

    def _facilities(self, first: int, after: int) -> bool:
        mine, theirs = (_priced(book, first, after) for book in self._books)
        return any(one.facility_pos != other.facility_pos for one in mine for other in theirs)

    def _of_prices(self, month: str) -> Iterator[tuple[str, Need]]:
        first, after = month_days(month)
        mine, theirs = (_priced(book, first, after) for book in self._books)
        for one, other in ((one, other) for one in mine for other in theirs):
            for code in one.prices.keys() | other.prices.keys():
                if _prices_of(one, code, first, after) != _prices_of(other, code, first, after):
                    for name in {book.texts[code].program for book in (one, other) if code in book.texts}:
                        yield name, self._of_code(name, code, first)

    def _of_code(self, name: str, code: str, first: int) -> Need:
        """What must be on file for a program's code to be earned in a month that begins on a day: no time of the month, no code of time."""
        tracks = [track for rules in self._at(first) if name in rules.programs for track in rules.programs[name].tracks.values()]
        seconds = [least for track in tracks for least in _thresholds(track, code)]
        return Need(min(seconds)) if seconds else Need(readings=True)


class _File:
    """What is on file for a patient-month."""

    def __init__(self, month: str, lasting: Facts, documents: Mapping[str, Facts], visits: Mapping[str, frozenset[str]]) -> None:
        self.month = month
        self.lasting = lasting
        self.documents = documents
        self.visits = visits

    def has(self, program: str, need: Need) -> bool:
        """Whether what is needed of a program is there."""
        if need.readings and self._is_read(program):
            return True
        times = self._times(program) if need.edges or need.seconds is not None else []
        if need.seconds is not None and times and sum(end - start for start, end in times) >= need.seconds:
            return True
        return need.edges and any(months_of(start, end) != (self.month,) for start, end in times)

    def _is_read(self, program: str) -> bool:
        if not any(row[1] == program for row in self.lasting.get("set_ups", ())):
            return False
        months = {self.month, *reading_months(self.lasting, self.month)}
        return any(row[2] == program for month in months for row in self.documents.get(month, _NOTHING).get("readings", ()))

    def _times(self, program: str) -> list[Span]:
        """All that may be time of the program in the month, whoever logged it and wherever."""
        entries = self.documents.get(self.month, _NOTHING).get("entries", ())
        times = [(row[0], row[3]) for row in entries if row[4] == program]
        kinds, visits = self.visits.get(program), self.lasting.get("visits")
        if kinds and visits:
            times += [(row[0], row[3]) for row in visits if row[4] in kinds and self.month in months_of(row[0], row[3])]
        return times


def _of_time(pair: tuple[DayRules, DayRules]) -> Iterator[tuple[str, Need]]:
    """What time in the month itself is judged by."""
    for name, one, other in _both(*pair):
        if one is None or other is None:
            yield name, ANYTHING
        elif _counting(one) != _counting(other):
            yield name, Need(0)
        else:
            yield name, Need(min(_least(one, other), default=None))


def _of_edges(pairs: list[tuple[DayRules, DayRules]]) -> Iterator[tuple[str, Need]]:
    """What time over midnight is judged by where it lies in the month before or after: whether it counts there, not what it earns."""
    for name, one, other in (found for pair in pairs for found in _both(*pair)):
        if one is None or other is None or _counting(one) != _counting(other):
            yield name, Need(edges=True)


def _both(one: DayRules, other: DayRules) -> Iterator[tuple[str, Program | None, Program | None]]:
    """The programs that are not the same, as they stand under each."""
    for name in one.programs.keys() | other.programs.keys():
        mine, theirs = one.programs.get(name), other.programs.get(name)
        if mine != theirs:
            yield name, mine, theirs


def _counting(program: Program) -> Program:
    """The program as far as it says which seconds count."""
    tracks = {name: track._replace(bases=(), addons={}, requirements=()) for name, track in program.tracks.items()}
    return program._replace(
        tracks=tracks, devices=None, device_stays=frozenset(), one_practitioner=False, consent_citation="", visit_citation=""
    )


def _least(one: Program, other: Program) -> Iterator[int]:
    """Seconds below which programs that count alike earn alike; none where they always do."""
    for name in one.tracks:
        yield from _least_of(one.tracks[name], other.tracks[name])


def _least_of(one: Track, other: Track) -> Iterator[int]:
    bases = *one.bases, *other.bases
    yield from (base.seconds for base in set(one.bases) ^ set(other.bases))
    if _asked(one.requirements) != _asked(other.requirements):
        yield from (base.seconds for base in bases)
    for code in one.addons.keys() | other.addons.keys():
        addons = one.addons.get(code), other.addons.get(code)
        if addons[0] != addons[1]:
            yield from (base.seconds + addon.seconds for base in bases if base.code == code for addon in addons if addon)


def _asked(requirements: tuple[Requirement, ...]) -> frozenset[Requirement]:
    """The requirements without who says so; their order is that of a file."""
    return frozenset(one._replace(text="", citation="") for one in requirements)


def _thresholds(track: Track, code: str) -> Iterator[int]:
    """Seconds from which a track may earn a code."""
    for base in track.bases:
        addon = track.addons.get(base.code)
        if base.code == code:
            yield base.seconds
        if addon is not None and addon.code == code:
            yield base.seconds + addon.seconds


def _devices_differ(one: DayRules, other: DayRules) -> Iterator[str]:
    """Programs with devices whose days, or what they earn, are other ones."""
    for name, mine, theirs in _both(one, other):
        if mine is None or theirs is None or _days(mine) != _days(theirs):
            yield from [name] if any(program is not None and program.devices is not None for program in (mine, theirs)) else ()


def _days(program: Program) -> tuple[object, ...]:
    """What a program says of days with readings. Codes of one kind claim no day together, and their order is that of a file."""
    devices = program.devices
    earned = devices and (devices.days, frozenset(devices.codes), devices.set_up)
    return earned, program.device_stays, program.consent_ends


def _rivals(one: DayRules, other: DayRules) -> Iterator[Names]:
    mine, theirs = _exclusions(one), _exclusions(other)
    yield from (names for names in mine.keys() | theirs.keys() if mine.get(names) != theirs.get(names))
    for name, before, after in _both(one, other):
        if before is not None and after is not None and before.one_practitioner != after.one_practitioner:
            yield name, name


def _exclusions(rules: DayRules) -> dict[Names, bool]:
    """Whether programs exclude each other with one practitioner only; of several rules for the same two the first holds."""
    return {(min(e[:2]), max(e[:2])): e.same_practitioner for e in reversed(rules.exclusions)}


def _visits(name: str, pairs: list[tuple[DayRules, DayRules]]) -> Iterator[str]:
    """Kinds of visit that are time of a program."""
    for rules in (rules for pair in pairs for rules in pair):
        rule = rules.programs[name].visit if name in rules.programs else None
        if rule is not None and rule.is_time:
            yield from rule.kinds


def _priced(book: Rulebook, first: int, after: int) -> list[Rulebook]:
    """The rule sets whose prices hold in a span of days."""
    if not isinstance(book, Stitched):
        return [book]
    return [part for begin, end, part in book.parts if begin < after and end >= first]


def _prices_of(book: Rulebook, code: str, first: int, after: int) -> list[object]:
    return [
        (max(low, first), min(high, after - 1), price) for low, high, price in book.prices.get(code, ()) if low < after and high >= first
    ]
