"""How a patient comes into care in the sample: visit, consent, conditions, plan, device; each now and then missing."""

from __future__ import annotations

from caremonth.sample_clock import DAY, day_name
from caremonth.sample_patients import Enrolment
from caremonth.sample_people import earlier_visit
from caremonth.sample_scene import Scene, book, condition, state, visit

_CHRONIC = ("I10", "E11.9", "E78.5", "J44.9", "N18.30", "I50.9")
_PAIN = ("M54.50", "G89.4", "M17.0", "M79.7")
_BEHAVIORAL = ("F33.1", "F41.1", "F43.10")
_HIGH_RISK = ("I50.22", "C50.911", "N18.4")


def onboard(scene: Scene, enrolment: Enrolment) -> None:
    """Begins one program today: about nine in ten get everything that billing asks for."""
    draw = scene.draw
    kind = enrolment.kind
    at = enrolment.patient.site.opens + 600 + int(draw() * 5400)
    track = f',"track":"{kind.track}"' if kind.track and not (kind.track == "staff" and draw() < 0.3) else ""
    state(scene, "enrollment.started", enrolment, at, f',"site_id":"{enrolment.patient.site.id}"{track}')
    consented = _first_visit(scene, enrolment, at)
    _consent(scene, enrolment, consented)
    _diagnose(scene, enrolment, at)
    if kind.program in ("CPM", "CCM", "PCM") and draw() < 0.95:
        state(scene, "plan.recorded", enrolment, at + 1800 + int(draw() * 3 * DAY))
    if kind.device:
        _hand_out(scene, enrolment, at)


def _consent(scene: Scene, enrolment: Enrolment, at: int) -> None:
    fate = scene.draw()
    if fate < 0.03:
        return
    late = int((1 + scene.draw() * 9) * DAY) if fate < 0.05 else 0
    form = "verbal" if scene.draw() < 0.7 else "written"
    state(scene, "consent.given", enrolment, at + late, f',"form":"{form}","obtained_by":"{enrolment.crew[0].id}"')


def _first_visit(scene: Scene, enrolment: Enrolment, at: int) -> int:
    """The initiating visit where the program asks for one; returns when consent is given."""
    program = enrolment.kind.program
    if program in ("RPM", "RTM"):
        return at
    if program == "CPM":
        return _pain_visit(scene, enrolment)
    if scene.draw() < 0.97:
        return _usual_visit(scene, enrolment, at)
    return at


def _pain_visit(scene: Scene, enrolment: Enrolment) -> int:
    """The long first visit of pain management; one in twenty is too short or by video, one in ten billed as E/M."""
    draw = scene.draw
    fate = draw()
    seconds = 1200 + int(draw() * 500) if fate < 0.03 else 1830 + int(draw() * 1200)
    start, end = book(enrolment.doctor, enrolment.patient.site.opens + int(draw() * 900), seconds)
    modality = "video" if 0.03 < fate < 0.05 else "in_person"
    visit(scene, enrolment, "cpm_initial", start, end, end + 30 + int(draw() * 1800), billed=fate > 0.9, by=modality)
    return start + 300 + int(draw() * 300)


def _usual_visit(scene: Scene, enrolment: Enrolment, at: int) -> int:
    """A visit of the months before, imported now; for those who join later, one on the day, before the consent."""
    draw = scene.draw
    kind = "awv" if draw() < 0.3 else "em"
    seconds = 900 + int(draw() * 900)
    if enrolment.patient.joins == 0:
        start = earlier_visit(enrolment.patient.site, enrolment.doctor, scene.first_day)
        visit(scene, enrolment, kind, start, start + seconds, at + 5, billed=True)
        return at
    start, end = book(enrolment.doctor, enrolment.patient.site.opens, seconds)
    visit(scene, enrolment, kind, start, end, end + 60, billed=True, by="video" if draw() < 0.2 else "in_person")
    return end + 60


def _diagnose(scene: Scene, enrolment: Enrolment, at: int) -> None:
    draw, patient, program = scene.draw, enrolment.patient, enrolment.kind.program
    pick = draw()
    if program == "CPM":
        onset = f',"onset":"{day_name(at // DAY - 120 - int(draw() * 2000))}"' if pick > 0.04 else ""
        condition(scene, patient, _PAIN[int(pick * 4)], "chronic_pain", at, onset)
    elif program == "CCM":
        first = int(draw() * 6)
        months = ',"expected_months":12' if draw() < 0.5 else ""
        condition(scene, patient, _CHRONIC[first], "chronic", at, months)
        if pick > 0.04:
            condition(scene, patient, _CHRONIC[(first + 1 + int(draw() * 5)) % 6], "chronic", at, months)
    elif program == "PCM" and pick > 0.04:
        condition(scene, patient, _HIGH_RISK[int(pick * 3)], "high_risk", at, ',"expected_months":6')
    elif program == "BHI" and pick > 0.04:
        condition(scene, patient, _BEHAVIORAL[int(pick * 3)], "behavioral", at)


def _hand_out(scene: Scene, enrolment: Enrolment, at: int) -> None:
    kind = enrolment.kind
    state(scene, "device.set_up", enrolment, at + 900, f',"kind":"{kind.device}","site_id":"{enrolment.patient.site.id}"')
