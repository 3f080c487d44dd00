"""The sample's sites and the people who work there, with their registrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from caremonth.sample_clock import DAY, Zone, day_name, weekday
from caremonth.sample_stream import Stream

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Denver",
    "America/Anchorage",
    "Pacific/Honolulu",
)
OPENING = 8 * 3600
_DOCTORS = ("physician", "np", "physician", "pa", "physician", "cns")
_NURSES = ("rn", "lpn", "ma", "rn", "pharmacist", "csw")
_THERAPISTS = ("pt", "ot", "pt", "slp")
_COUNSELLORS = ("clinical_psychologist", "csw")
_EMPLOYMENT = ("employee", "employee", "contractor", "leased")
_PATIENTS_PER_DOCTOR = 60
_PATIENTS_PER_NURSE = 40


@dataclass(slots=True)
class Person:
    """Somebody who logs time. The diary is empty from `free` on, was until then filled up to `before`; `visits` counts
    the visits before the stream began."""

    id: str
    role: str
    free: int = 0
    before: int = 0
    visits: int = 0


@dataclass(slots=True)
class Site:
    """A place of service and its crew. `opens` is the instant it opens on the day being played."""

    id: str
    zone: Zone
    pos: str
    source: str
    doctors: list[Person]
    nurses: list[Person]
    therapists: list[Person]
    counsellors: list[Person]
    clerk: Person
    stranger: Person
    opens: int = field(default=0)

    def people(self) -> Iterator[Person]:
        """Everybody who is ever registered: the stranger is not."""
        for crew in (self.doctors, self.nurses, self.therapists, self.counsellors):
            yield from crew
        yield self.clerk


def npi(number: int) -> str:
    """A ten-digit NPI with the right check digit (Luhn over 80840 and the number), in the range that has not been issued."""
    digits = f"2{number:08d}"
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(f"80840{digits}"[::-1], start=1))
    total = sum(value // 10 + value % 10 for value in doubled)
    return digits + str(-total % 10)


def found_site(number: int, zone: Zone, patients: int) -> Site:
    """A site with as many people as its patients need, so that nobody is double-booked unless the sample means it."""
    doctors = 2 + patients // _PATIENTS_PER_DOCTOR
    nurses = 3 + patients // _PATIENTS_PER_NURSE
    return Site(
        id=f"site-{number:02d}",
        zone=zone,
        pos="22" if number % 4 == 0 else "11",
        source=f"/ehr/site-{number:02d}",
        doctors=_crew("dr", number, doctors, _DOCTORS),
        nurses=_crew("rn", number, nurses, _NURSES),
        therapists=_crew("th", number, 1 + patients // 120, _THERAPISTS),
        counsellors=_crew("bh", number, 1 + patients // 150, _COUNSELLORS),
        clerk=Person(f"fd-{number:02d}-1", "other"),
        stranger=Person(f"tmp-{number:02d}-1", "rn"),
    )


def _crew(prefix: str, site: int, size: int, roles: tuple[str, ...]) -> list[Person]:
    return [Person(f"{prefix}-{site:02d}-{number}", roles[(number - 1) % len(roles)]) for number in range(1, size + 1)]


def register(stream: Stream, sites: list[Site], first_day: int, days: int) -> None:
    """Registers sites and people: the last of several sites two days late, each site's last nurse three weeks late."""
    serial = count(1)
    for number, site in enumerate(sites, start=1):
        late = 5 * DAY if number == len(sites) > 1 else 0
        recorded = (first_day - 3) * DAY + 15 * 3600 + number % 3600
        data = f'"name":"Riverbend {number:02d}","zone":"{site.zone.name}","pos":"{site.pos}"'
        stream.put("site.registered", site.id, "/registry", recorded + late, data)
        _register_people(stream, serial, site, first_day)
        _change_staff(stream, site, first_day, days)


def _register_people(stream: Stream, serial: Iterator[int], site: Site, first_day: int) -> None:
    for person, order in zip(site.people(), serial, strict=False):
        late = 22 * DAY if person is site.nurses[-1] else 0
        data = f'"role":"{person.role}","npi":"{npi(order)}","employment":"{_EMPLOYMENT[order % 4]}"'
        stream.put("practitioner.registered", person.id, "/registry", (first_day - 3) * DAY + 16 * 3600 + order % 3600 + late, data)


def _change_staff(stream: Stream, site: Site, first_day: int, days: int) -> None:
    changes = ((site.nurses[0], "np", days // 2), (site.clerk, "ma", days * 2 // 3))
    for person, role, after in changes:
        day = first_day + after
        data = f'"role":"{role}","valid_from":"{day_name(day)}"'
        stream.put("practitioner.registered", person.id, "/registry", (day - 4) * DAY + 17 * 3600, data)


def earlier_visit(site: Site, doctor: Person, first_day: int) -> int:
    """The start of a visit in the months before the stream; each call takes another half hour of the doctor's."""
    week, slot = doctor.visits % 20, doctor.visits // 20
    doctor.visits += 1
    monday = first_day - weekday(first_day) - 7 * (week + 1)
    return site.zone.at(monday + slot % 5, OPENING + slot // 5 * 1800)
