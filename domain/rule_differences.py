"""Where two rulebooks may come to different lines: which programs, in which months. What is not named here is decided alike under both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domain.calendar import month_days
from domain.records import Facts
from domain.rulebook import DayRules, Rulebook
from domain.rulebook_stitch import Stitched

BESIDE: Final = 32
"""Days beside a month whose rules may bear on it: time over midnight is judged by the rules of its month."""
AHEAD: Final = 100
"""Days after a month by which the first windows are over whose set-up line may stand in it."""
EVERYTHING: Final = frozenset({"*"})
"""Stands for all programs."""


class Differences:
    """The programs that two rulebooks decide differently, month by month."""

    def __init__(self, one: Rulebook, other: Rulebook) -> None:
        self._books = one, other
        self._turns = sorted({0, *one.starts, *other.starts})
        self._pairs = [(one.at(day), other.at(day)) for day in self._turns]
        self._differ = [frozenset(_differing(*pair)) for pair in self._pairs]
        self._of: dict[str, frozenset[str]] = {}
        self._visits: dict[str, frozenset[str]] = {}

    def programs(self, month: str) -> frozenset[str]:
        """The programs whose rules or prices differ for a month; EVERYTHING where the difference is no program's own."""
        found = self._of.get(month)
        if found is None:
            found = self._of[month] = frozenset(self._found(month))
            if "*" in found:
                found = self._of[month] = EVERYTHING
        return found

    def bears_on(self, month: str, lasting: Facts, facts: bytes) -> bool:
        """Whether a patient-month may differ, by the patient's lasting facts and the month's document as it is stored.

        A program takes seconds from others, or excludes them, only by time, devices or visits of its own.
        """
        programs = self.programs(month)
        if not programs or programs == EVERYTHING:
            return bool(programs)
        return (
            any(b'"%b"' % program.encode() in facts for program in programs)
            or any(row[1] in programs for row in lasting.get("set_ups", ()))
            or any(row[4] in self._visit_kinds(month) for row in lasting.get("visits", ()))
        )

    def _visit_kinds(self, month: str) -> frozenset[str]:
        """Kinds of visit that are time of a program that differs."""
        found = self._visits.get(month)
        if found is None:
            programs = [p for pair in self._pairs for rules in pair for p in rules.programs.values() if p.name in self.programs(month)]
            visits = [program.visit for program in programs]
            found = self._visits[month] = frozenset(kind for visit in visits if visit and visit.is_time for kind in visit.kinds)
        return found

    def _found(self, month: str) -> Iterator[str]:
        first, after = month_days(month)
        ends = [*self._turns[1:], after + AHEAD]
        for begin, end, pair, names in zip(self._turns, ends, self._pairs, self._differ, strict=True):
            near = begin < after + BESIDE and end > first - BESIDE
            yield from (name for name in names if near or (begin < after + AHEAD and _has_devices(name, pair)))
        yield from self._prices(first, after)

    def _prices(self, first: int, after: int) -> Iterator[str]:
        one, other = (_priced(book, first, after) for book in self._books)
        if any(mine.facility_pos != theirs.facility_pos for mine in one for theirs in other):
            yield "*"
        for mine in one:
            for theirs in other:
                for code in mine.prices.keys() | theirs.prices.keys():
                    if _prices_of(mine, code, first, after) != _prices_of(theirs, code, first, after):
                        yield from (book.texts[code].program for book in (mine, theirs) if code in book.texts)


def _differing(one: DayRules, other: DayRules) -> Iterator[str]:
    yield from (n for n in one.programs.keys() | other.programs.keys() if one.programs.get(n) != other.programs.get(n))
    for exclusion in set(one.exclusions) ^ set(other.exclusions):
        yield from (exclusion.first, exclusion.second)


def _has_devices(name: str, pair: tuple[DayRules, DayRules]) -> bool:
    """Whether the program has device windows, which lie back to back: other rules once bear on all that follow."""
    return any(name in rules.programs and rules.programs[name].devices is not None for rules in pair)


def _priced(book: Rulebook, first: int, after: int) -> list[Rulebook]:
    """The rule sets whose prices hold in a span of days."""
    if not isinstance(book, Stitched):
        return [book]
    return [part for begin, end, part in book.parts if begin < after and end >= first]


def _prices_of(book: Rulebook, code: str, first: int, after: int) -> list[object]:
    return [
        (max(low, first), min(high, after - 1), price) for low, high, price in book.prices.get(code, ()) if low < after and high >= first
    ]
