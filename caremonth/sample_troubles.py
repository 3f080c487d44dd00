"""What goes wrong or changes in the sample, each in a small share: the reasons the rules of docs/contract.md §3.4 exist for."""

from __future__ import annotations

from caremonth.sample_clock import DAY
from caremonth.sample_patients import Enrolment
from caremonth.sample_people import Person
from caremonth.sample_scene import Entry, Scene, book, entry_of, log, soon, state, visit

# Shares of time entries, added up: one draw decides which trouble an entry has.
_LATE = 0.040
_CORRECTED = _LATE + 0.020
_RETRACTED = _CORRECTED + 0.010
_JOINED = _RETRACTED + 0.012
_TWO_PLACES = _JOINED + 0.004
TROUBLED = _TWO_PLACES + 0.014
_REASONS = ("transferred", "declined", "goals met", "moved away")


def log_troubled(scene: Scene, entry: Entry, fate: float) -> None:
    """Writes an entry and what happens to it; `fate` is below TROUBLED."""
    if fate < _LATE:
        log(scene, entry, _days_later(scene, entry.end, 20))
    elif fate < _CORRECTED:
        _correct(scene, entry)
    elif fate < _RETRACTED:
        _retract(scene, entry)
    elif fate < _JOINED:
        _join(scene, entry)
    elif fate < _TWO_PLACES:
        _be_in_two_places(scene, entry)
    else:
        _mistake_the_role(scene, entry)


def _days_later(scene: Scene, instant: int, most: int) -> int:
    """One to `most` days later, sooner more often than later."""
    return instant + DAY + int(scene.draw() * scene.draw() * (most - 1) * DAY)


def _correct(scene: Scene, entry: Entry) -> None:
    """Another length for the same work, recorded hours or days later; now and then corrected once more."""
    recorded, name = soon(scene, entry), ""
    for _ in range(2 if scene.draw() > 0.1 else 3):
        name = log(scene, entry, recorded, name)
        length = entry.end - entry.start
        entry = entry._replace(end=entry.start + 20 + int(length * (0.4 + 0.6 * scene.draw())))
        recorded += 3600 + int(scene.draw() * scene.draw() * 12 * DAY)


def _retract(scene: Scene, entry: Entry) -> None:
    recorded = soon(scene, entry)
    name = log(scene, entry, recorded)
    patient, system = entry.enrolment.patient, entry.system()
    other = f',"source":"{system}"' if system != patient.site.source else ""
    data = f'"id":"{name}"{other},"reason":"wrong patient"'
    scene.stream.put("event.retracted", patient.id, patient.site.source, _days_later(scene, recorded, 15), data)


def _join(scene: Scene, entry: Entry) -> None:
    """A second person works on the same patient for part of the time."""
    log(scene, entry, soon(scene, entry))
    start = entry.start + int((entry.end - entry.start) * scene.draw())
    colleague = next((person for person in entry.enrolment.crew if person is not entry.performer and person.free <= start), None)
    if colleague:
        second = entry_of(scene, entry.enrolment, colleague, *book(colleague, start, 120 + int(scene.draw() * 400)))
        log(scene, second, soon(scene, second))


def _be_in_two_places(scene: Scene, entry: Entry) -> None:
    """Begins before the performer's work before it, mostly for another patient, has ended."""
    start = entry.performer.before - 30 - int(scene.draw() * 150)
    if entry.start - start < DAY / 4:
        entry = entry._replace(start=start, end=start + entry.end - entry.start)
    log(scene, entry, soon(scene, entry))


def _mistake_the_role(scene: Scene, entry: Entry) -> None:
    """Somebody logs who may not, or whom nobody has registered."""
    site = entry.enrolment.patient.site
    performer: Person = site.clerk if scene.draw() < 0.6 else site.stranger
    start, end = book(performer, entry.start, entry.end - entry.start)
    log(scene, entry._replace(performer=performer, start=start, end=end), end + 30)


def die(scene: Scene, enrolment: Enrolment) -> None:
    """The patient dies; some work is still logged before the news arrives."""
    patient = enrolment.patient
    at = patient.site.opens + int(scene.draw() * DAY / 2)
    data = f'"at":"{patient.site.zone.text(at)}"'
    scene.stream.put("patient.died", patient.id, patient.site.source, _days_later(scene, at, 6), data)
    for other in patient.enrolments:
        other.over = True


def stay(scene: Scene, enrolment: Enrolment) -> None:
    """A stay of one to eight days, known on admission without its end and corrected at discharge, or told afterwards."""
    draw, patient = scene.draw, enrolment.patient
    start = patient.site.opens + int(draw() * DAY / 2)
    end = start + DAY + int(draw() * draw() * 7 * DAY)
    kind = "inpatient" if draw() < 0.7 else "snf" if draw() < 0.6 else "observation"
    data = f'"kind":"{kind}","start":"{patient.site.zone.text(start)}"'
    admitted = scene.stream.put("stay.recorded", patient.id, patient.site.source, start + 1800, data) if draw() < 0.6 else ""
    whole = f'{data},"end":"{patient.site.zone.text(end)}"'
    scene.stream.put("stay.recorded", patient.id, patient.site.source, end + 7200, whole, admitted)


def visit_again(scene: Scene, enrolment: Enrolment) -> None:
    """An office visit billed as E/M; the practitioner may log program time inside it, which then does not count."""
    draw, patient = scene.draw, enrolment.patient
    start, end = book(enrolment.doctor, patient.site.opens + int(draw() * 3600), 900 + int(draw() * 900))
    visit(scene, enrolment, "em", start, end, end + 60 + int(draw() * 7200), billed=draw() < 0.85)
    if draw() < 0.4 and not enrolment.over:
        inside = entry_of(scene, enrolment, enrolment.doctor, start + 120, end - 60)
        log(scene, inside, soon(scene, inside))


def revoke(scene: Scene, enrolment: Enrolment) -> None:
    """Consent is withdrawn; half of the patients give it again within two weeks."""
    at = enrolment.patient.site.opens + int(scene.draw() * 30_000)
    state(scene, "consent.revoked", enrolment, at, delay=DAY)
    if scene.draw() < 0.5:
        again = at + 2 * DAY + int(scene.draw() * 12 * DAY)
        state(scene, "consent.given", enrolment, again, ',"form":"written"')


def disenrol(scene: Scene, enrolment: Enrolment) -> None:
    """The program ends for the patient."""
    at = enrolment.patient.site.opens + int(scene.draw() * 30_000)
    state(scene, "enrollment.ended", enrolment, at, f',"reason":"{_REASONS[int(scene.draw() * 4)]}"', delay=2 * DAY)
    enrolment.over = True


def judge(scene: Scene, enrolment: Enrolment) -> None:
    """Records the month's medical decision making: moderate or high, one in twenty low."""
    patient = enrolment.patient
    chance = scene.draw()
    level = "low" if chance < 0.05 else "high" if chance < 0.3 else "moderate"
    month = patient.site.zone.text(patient.site.opens)[:7]
    data = f'"practitioner_id":"{enrolment.doctor.id}","month":"{month}","level":"{level}"'
    scene.stream.put("mdm.recorded", patient.id, patient.site.source, patient.site.opens + int(scene.draw() * 30_000), data)
