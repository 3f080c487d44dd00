"""The scene the sample plays on: its chance, its stream, its sites, and one short writer for each kind of event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from caremonth.sample_clock import DAY, utc
from caremonth.sample_patients import Enrolment, Patient
from caremonth.sample_people import Person, Site
from caremonth.sample_stream import Stream

HUB = "/devices/hub"


@dataclass(slots=True)
class Scene:
    """What every scene-player needs. `draw` gives floats in [0, 1): the only chance there is, so that a seed decides everything."""

    draw: Callable[[], float]
    stream: Stream
    sites: list[Site]
    first_day: int


class Way(NamedTuple):
    """How time comes to be recorded: the entry's `source`, the system it comes from ("" is the site's own), the usual delay in seconds."""

    source: str
    system: str
    delay: int


class Entry(NamedTuple):
    """One time entry, before it is written."""

    enrolment: Enrolment
    performer: Person
    start: int
    end: int
    activity: str
    interactive: str
    way: Way

    def system(self) -> str:
        """The CloudEvents `source` it is written under."""
        return self.way.system or self.enrolment.patient.site.source


_TIMER = Way("timer", "/app/timer", 40)
_MANUAL = Way("manual", "", 4 * 3600)
_INFERRED = Way("inferred", "/app/activity", 600)
_WAYS = (_TIMER,) * 84 + (_MANUAL,) * 14 + (_INFERRED,) * 2
_ACTIVITIES = ("care_coordination", "medication_management", "phone_call", "chart_review", "education", "care_plan_update", "referral")


def entry_of(scene: Scene, enrolment: Enrolment, performer: Person, start: int, end: int) -> Entry:
    """An entry with the details that do not depend on when it was."""
    draw = scene.draw
    way = _WAYS[int(draw() * 100)]
    activity = _ACTIVITIES[int(draw() * 7)]
    return Entry(enrolment, performer, start, end, activity, "true" if draw() < enrolment.live else "false", way)


def soon(scene: Scene, entry: Entry) -> int:
    """When an entry is recorded if nothing delays it."""
    return entry.end + 3 + int(scene.draw() * entry.way.delay)


def log(scene: Scene, entry: Entry, recorded: int, replaces: str = "") -> str:
    """Writes `care.time.logged.v1`; returns its id."""
    enrolment, performer, start, end, activity, interactive, way = entry
    patient, kind = enrolment.patient, enrolment.kind
    site = patient.site
    text = site.zone.text
    data = (
        f'"program":"{kind.program}","practitioner_id":"{enrolment.doctor.id}","performer_id":"{performer.id}","site_id":"{site.id}",'
        f'"start":"{text(start)}","end":"{text(end)}","activity":"{activity}","interactive":{interactive},"source":"{way.source}"'
    )
    return scene.stream.put("time.logged", patient.id, way.system or site.source, recorded, data, replaces)


def read(scene: Scene, enrolment: Enrolment, at: int, recorded: int) -> None:
    """Writes `care.device.reading.v1`."""
    kind = enrolment.kind
    data = f'"program":"{kind.program}","kind":"{kind.device}","at":"{utc(at)}"'
    scene.stream.put("device.reading", enrolment.patient.id, HUB, recorded, data)


def state(scene: Scene, what: str, enrolment: Enrolment, at: int, more: str = "", delay: int = 120) -> str:
    """Writes a fact about a patient, a program and a practitioner (consent, enrolment, plan) that happened at `at`."""
    patient = enrolment.patient
    data = f'"program":"{enrolment.kind.program}","practitioner_id":"{enrolment.doctor.id}","at":"{patient.site.zone.text(at)}"{more}'
    return scene.stream.put(what, patient.id, patient.site.source, at + 1 + int(scene.draw() * delay), data)


def visit(
    scene: Scene, enrolment: Enrolment, kind: str, start: int, end: int, recorded: int, billed: bool = False, by: str = "in_person"
) -> None:
    """Writes `care.visit.completed.v1`."""
    patient = enrolment.patient
    text = patient.site.zone.text
    data = (
        f'"kind":"{kind}","practitioner_id":"{enrolment.doctor.id}","site_id":"{patient.site.id}","start":"{text(start)}",'
        f'"end":"{text(end)}","modality":"{by}","setting":"clinical","em_billed":{"true" if billed else "false"}'
    )
    scene.stream.put("visit.completed", patient.id, patient.site.source, recorded, data)


def condition(scene: Scene, patient: Patient, icd10: str, category: str, at: int, more: str = "") -> None:
    """Writes `care.condition.recorded.v1`."""
    data = f'"icd10":"{icd10}","category":"{category}","at":"{patient.site.zone.text(at)}"{more}'
    scene.stream.put("condition.recorded", patient.id, patient.site.source, at + 1 + int(scene.draw() * DAY / 24), data)


def book(person: Person, earliest: int, seconds: int) -> tuple[int, int]:
    """The next free stretch in a person's diary, now taken."""
    start = max(person.free, earliest)
    person.free = start + seconds
    return start, person.free
