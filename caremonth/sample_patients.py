"""The sample's patients and what they are enrolled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from caremonth.sample_people import Person, Site


class Kind(NamedTuple):
    """A program on a track. `seconds` is the base threshold a month's work aims at (docs/contract.md §3.8-13)."""

    program: str
    track: str
    seconds: int
    device: str = ""


_KINDS = {
    "CPM": Kind("CPM", "", 1800),
    "CCM": Kind("CCM", "staff", 1200),
    "CCM own": Kind("CCM", "practitioner", 1800),
    "CCM complex": Kind("CCM", "complex", 3600),
    "PCM": Kind("PCM", "staff", 1800),
    "PCM own": Kind("PCM", "practitioner", 1800),
    "RPM": Kind("RPM", "", 1200, "physiologic"),
    "RTM": Kind("RTM", "", 1200, "musculoskeletal"),
    "RTM breath": Kind("RTM", "", 1200, "respiratory"),
    "BHI": Kind("BHI", "", 1200),
}

# Patients in a thousand. The pairs that exclude one another (docs/contract.md §3.14) are there on purpose, and rare.
_MIX: tuple[tuple[int, tuple[str, ...]], ...] = (
    (140, ("CPM",)),
    (140, ("CCM",)),
    (40, ("CCM own",)),
    (50, ("CCM complex",)),
    (50, ("PCM",)),
    (25, ("PCM own",)),
    (155, ("RPM",)),
    (30, ("RTM",)),
    (15, ("RTM breath",)),
    (55, ("BHI",)),
    (90, ("CCM", "RPM")),
    (50, ("CCM", "BHI")),
    (50, ("CPM", "CCM")),
    (30, ("CPM", "RTM")),
    (25, ("PCM", "RPM")),
    (25, ("CPM", "RPM")),
    (10, ("CCM own", "RPM")),
    (10, ("CCM", "PCM")),
    (5, ("RPM", "RTM")),
    (5, ("CCM", "CCM own")),
)
_BY_THOUSAND = tuple(names for share, names in _MIX for _ in range(share))


@dataclass(slots=True, eq=False)
class Patient:
    """One patient of one site; `joins` is the index of the month in which care begins."""

    id: str
    site: Site
    joins: int
    enrolments: list[Enrolment] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Enrolment:
    """A patient in a program with a practitioner. `pace` is the mean length of this month's entries in seconds,
    `live` the share of them with interactive contact; `over` once it has ended or the patient has died."""

    patient: Patient
    kind: Kind
    doctor: Person
    crew: tuple[Person, ...]
    pace: int = 0
    live: float = 0.0
    over: bool = False


def admit(number: int, site: Site, months: int, draw: Callable[[], float]) -> Patient:
    """A new patient with one or two programs; most begin in the first month."""
    joins = 0 if draw() < 0.9 else int(draw() * months)
    patient = Patient(f"P-{number:06d}", site, joins)
    names = _BY_THOUSAND[int(draw() * 1000)]
    doctors = _two(site.doctors, draw)
    for order, name in enumerate(names):
        kind = _KINDS[name]
        rival = order == 1 and names == ("CCM", "CCM own")
        doctor = doctors[1 if rival else 0]
        patient.enrolments.append(Enrolment(patient, kind, doctor, _crew(kind, site, doctor, draw)))
    return patient


def _two(people: list[Person], draw: Callable[[], float]) -> tuple[Person, Person]:
    first = int(draw() * len(people))
    return people[first], people[(first + 1) % len(people)]


def _crew(kind: Kind, site: Site, doctor: Person, draw: Callable[[], float]) -> tuple[Person, ...]:
    """Who logs time, by weight. A nurse among sixteen logs in programs that ask for the practitioner's own work."""
    nurse, second = _two(site.nurses, draw)
    if kind.program == "CPM" or kind.track == "practitioner":
        return (doctor,) * 15 + (nurse,)
    if kind.program == "RTM":
        therapist = site.therapists[int(draw() * len(site.therapists))]
        return (therapist, therapist, therapist, nurse)
    if kind.program == "BHI":
        counsellor = site.counsellors[int(draw() * len(site.counsellors))]
        return (counsellor, nurse, nurse)
    return (nurse, nurse, nurse, second, second, doctor)
