"""What a month of the sample will bring: for each day who is worked on, whose device reads, and what else happens."""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from caremonth.sample_clock import day_number, weekday
from caremonth.sample_onboarding import onboard
from caremonth.sample_patients import Enrolment, Patient
from caremonth.sample_scene import Scene
from caremonth.sample_troubles import die, disenrol, judge, revoke, stay, visit_again

Act = Callable[[Scene, Enrolment], None]
_REACHING = 0.83
_NO_CONTACT = 0.05


class Month(NamedTuple):
    """A calendar month: its name `YYYY-MM`, its first day (counted since 1970) and its length."""

    name: str
    first: int
    length: int


def month_of(year: int, month: int) -> Month:
    """The month with its days."""
    return Month(f"{year:04d}-{month:02d}", day_number(date(year, month, 1)), monthrange(year, month)[1])


class Calendar:
    """The month's appointments by day of the month, counted from 0; it holds references only, so a month is small."""

    __slots__ = ("_workdays", "acts", "month", "readings", "work")

    def __init__(self, month: Month) -> None:
        self.month = month
        self.acts: list[list[tuple[Act, Enrolment]]] = [[] for _ in range(month.length)]
        self.work: list[list[Enrolment]] = [[] for _ in range(month.length)]
        self.readings: list[list[Enrolment]] = [[] for _ in range(month.length)]
        self._workdays = [day for day in range(month.length) if weekday(month.first + day) < 5]

    def workday(self, earliest: int, chance: float) -> int:
        """A working day from `earliest` on, the last one if there is none."""
        days = self._workdays
        low = min(bisect_left(days, earliest), len(days) - 1)
        return days[low + int(chance * (len(days) - low))]


def plan(scene: Scene, patients: list[Patient], index: int, month: Month) -> Calendar:
    """Draws the month with this index of the stream for every patient in care."""
    calendar = Calendar(month)
    for patient in patients:
        if patient.joins <= index:
            _plan_patient(scene, calendar, patient, patient.joins == index)
    return calendar


def _plan_patient(scene: Scene, calendar: Calendar, patient: Patient, joins: bool) -> None:
    draw = scene.draw
    first = calendar.workday(0, draw() * 0.3) if joins else 0
    for enrolment in patient.enrolments:
        if not enrolment.over:
            _plan_enrolment(scene, calendar, enrolment, first, joins)
    fate = draw()
    if fate < 0.06:
        act: Act = die if fate < 0.005 else stay if fate < 0.02 else visit_again
        calendar.acts[calendar.workday(first + 1, draw())].append((act, patient.enrolments[0]))


def _plan_enrolment(scene: Scene, calendar: Calendar, enrolment: Enrolment, first: int, joins: bool) -> None:
    draw = scene.draw
    if joins:
        calendar.acts[first].append((onboard, enrolment))
        first += 1
    _plan_work(scene, calendar, enrolment, first)
    if enrolment.kind.device:
        _plan_readings(scene, calendar, enrolment, first)
    if enrolment.kind.track == "complex" and draw() < 0.9:
        calendar.acts[calendar.workday(8, draw())].append((judge, enrolment))
    fate = draw()
    if fate < 0.015:
        act: Act = revoke if fate < 0.008 else disenrol
        calendar.acts[calendar.workday(first, draw())].append((act, enrolment))


def _plan_work(scene: Scene, calendar: Calendar, enrolment: Enrolment, first: int) -> None:
    """Sets the month's effort: most reach the base threshold, some several times, one in six stays below."""
    draw = scene.draw
    chance = draw()
    factor = 1.06 + 2.6 * draw() * draw() if chance < _REACHING else 0.1 + 0.85 * draw()
    count = max(1, int(enrolment.kind.seconds * factor / (135 + 215 * draw())))
    enrolment.pace = int(enrolment.kind.seconds * factor / count)
    enrolment.live = 0.0 if draw() < _NO_CONTACT else 0.5
    for _ in range(count):
        chance = draw()
        day = calendar.workday(first, chance * 25 % 1) if chance > 0.04 else min(first + int(draw() * 30), calendar.month.length - 1)
        calendar.work[day].append(enrolment)


def _plan_readings(scene: Scene, calendar: Calendar, enrolment: Enrolment, first: int) -> None:
    """Three in four measure on most days; the others on some, or hardly ever."""
    draw = scene.draw
    habit = draw()
    rate = 0.55 + 0.35 * draw() if habit < 0.76 else 0.1 + 0.35 * draw() if habit < 0.95 else 0.02
    for day in range(max(0, first - 1), calendar.month.length):
        if draw() < rate:
            calendar.readings[day].append(enrolment)
