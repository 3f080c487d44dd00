"""One day of the sample: the acts planned for it, the many short entries, the devices, and the nights that are hard to count."""

from __future__ import annotations

from caremonth.sample_clock import DAY
from caremonth.sample_months import Calendar
from caremonth.sample_patients import Enrolment, Patient
from caremonth.sample_people import OPENING
from caremonth.sample_scene import Scene, entry_of, log, read, soon
from caremonth.sample_troubles import TROUBLED, log_troubled

_WORKING_DAY = 9 * 3600
_NIGHT_SHARE = 150


def play(scene: Scene, patients: list[Patient], calendar: Calendar, offset: int) -> None:
    """Plays a day of the month (counted from 0): night first, then acts, work and readings, and midnight on the last day."""
    day = calendar.month.first + offset
    for site in scene.sites:
        site.opens = site.zone.at(day, OPENING)
    _change_clocks(scene, patients, day)
    for act, enrolment in calendar.acts[offset]:
        act(scene, enrolment)
    for enrolment in calendar.work[offset]:
        _work(scene, enrolment)
    for enrolment in calendar.readings[offset]:
        _measure(scene, enrolment)
    if offset == calendar.month.length - 1:
        _cross_midnight(scene, patients, day)


def _work(scene: Scene, enrolment: Enrolment) -> None:
    """The next few minutes in the diary of somebody of the crew."""
    draw = scene.draw
    if enrolment.over and draw() < 0.8:
        return
    crew = enrolment.crew
    performer = crew[int(draw() * len(crew))]
    start = _next_start(max(performer.free, enrolment.patient.site.opens), enrolment.patient.site.opens, draw())
    end = start + 30 + int((enrolment.pace - 30) * (0.45 + 1.1 * draw()))
    performer.before, performer.free = performer.free, end
    entry = entry_of(scene, enrolment, performer, start, end)
    fate = draw()
    if fate < TROUBLED:
        log_troubled(scene, entry, fate)
    else:
        log(scene, entry, soon(scene, entry))


def _next_start(free: int, opens: int, chance: float) -> int:
    """A pause after what came before, mostly short, and shorter the less of the day is left."""
    left = opens + _WORKING_DAY - free
    return free + 20 + int(chance * chance * chance * max(left // 2, 400))


def _measure(scene: Scene, enrolment: Enrolment) -> None:
    """A reading around breakfast, sent at once or when the device is next in reach; sometimes another in the evening."""
    if enrolment.over:
        return
    draw = scene.draw
    at = enrolment.patient.site.opens - 7200 + int(draw() * 9000)
    fate = draw()
    read(scene, enrolment, at, at + 4 + int(fate * 60) if fate > 0.03 else at + DAY + int(fate * 100 * DAY))
    if fate > 0.8:
        evening = at + 36_000
        read(scene, enrolment, evening, evening + 9)


def _night_watch(scene: Scene, patients: list[Patient]) -> list[Enrolment]:
    """The few who are worked on at a hard hour: at least two, else one patient in 150."""
    chosen = [patients[int(scene.draw() * len(patients))] for _ in range(2 + len(patients) // _NIGHT_SHARE)]
    return [patient.enrolments[0] for patient in chosen if patient.enrolments[0].pace and not patient.enrolments[0].over]


def _log_at(scene: Scene, enrolment: Enrolment, start: int, seconds: int) -> None:
    performer = enrolment.crew[0]
    if performer.free <= start:
        performer.free = start + seconds
        entry = entry_of(scene, enrolment, performer, start, start + seconds)
        log(scene, entry, soon(scene, entry))


def _change_clocks(scene: Scene, patients: list[Patient], day: int) -> None:
    """Work through the hour that is skipped or repeated, at sites whose clocks change on this day."""
    changes = {site.id: site.zone.change_on(day) for site in scene.sites}
    if not any(changes.values()):
        return
    for enrolment in _night_watch(scene, patients):
        change = changes[enrolment.patient.site.id]
        if change:
            _log_at(scene, enrolment, change - 60 - int(scene.draw() * 800), 300 + int(scene.draw() * 1200))


def _cross_midnight(scene: Scene, patients: list[Patient], day: int) -> None:
    """Work that begins in one month and ends in the next."""
    for enrolment in _night_watch(scene, patients):
        midnight = enrolment.patient.site.zone.at(day + 1, 0)
        _log_at(scene, enrolment, midnight - 20 - int(scene.draw() * 900), 300 + int(scene.draw() * 900))
