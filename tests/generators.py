"""Histories of made-up tenants, dense in what is hard: overlaps, month borders, clock changes, thresholds to the second, corrections.

One story is told by a `Chooser`: hypothesis' (`tenant_histories`, which shrinks) or a seeded generator's (`random_history`, which is
fast). Every event is valid by docs/contract.md §1; histories end with duplicates and, from a seed, in no order.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

T = TypeVar("T")
Event = dict[str, Any]
Relation = tuple[str, str]

ZONES = ["America/New_York", "America/Chicago", "America/Phoenix", "Pacific/Auckland", "UTC", "America/St_Johns"]
MONTHS = ["2022-12", "2023-01", "2024-03", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-11"]
PROGRAMS = ["CPM", "CPM", "CCM", "CCM", "CCM", "PCM", "PCM", "RPM", "RPM", "RTM", "RTM", "BHI"]
RIVALS = {"RPM": ["RTM", "RPM"], "RTM": ["RPM", "CPM"], "CCM": ["CCM", "PCM"], "PCM": ["CCM", "CPM"], "CPM": ["CCM", "CPM"], "BHI": ["CPM"]}
BILLING = ["physician", "np", "pa", "cns", "cnm"]
STAFF = ["rn", "rn", "lpn", "ma", "pharmacist", "csw", "rn", "ma", "clinical_psychologist", "chw", "pt", "slp", "other", "np"]
KINDS = {"RPM": ["physiologic"], "RTM": ["respiratory", "musculoskeletal", "cbt"]}
THRESHOLDS = [600, 1200, 1800, 2400, 2700, 3600, 5400, 6300, 7200]
LONGEST = 3700
LENGTHS = [1, 60, 300, 599, 600, 601, 900, 1199, 1200, 1201, 1799, 1800, 1801, 2400]
OFFSETS = [-1800, -1200, -600, -60, -1, 0, 0, 1, 60, 300, 600, 1199, 1800, 86400, 172800]
LAGS = [0, 0, 0, 60, 60, 3600, 259200, -60, -300]
DAY = 86400


class Chooser(Protocol):
    """Where a story's choices come from."""

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""


class Dice:
    """Choices of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def integer(self, low: int, high: int) -> int:
        return low + int(self.random.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random.random() * len(options))]


class Drawn:
    """Choices of hypothesis; the first option and the lowest number are the simplest."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.draw(st.integers(0, len(options) - 1))]


def random_history(seed: int, closes: bool = False) -> list[Event]:
    """The history of a seed, shuffled; now and then with a second tenant that uses the same names. `closes` adds month closes."""
    dice = Dice(seed)
    history = Story(dice, "acme").tell(closes)
    if dice.integer(1, 10) == 1:
        history += Story(dice, "bolt").tell(closes)
    dice.random.shuffle(history)
    return history


@st.composite
def tenant_histories(draw: Callable[[st.SearchStrategy[int]], int], closes: bool = False) -> list[Event]:
    """Histories of one tenant, in the order in which they were told."""
    return Story(Drawn(draw), "acme").tell(closes)


@lru_cache(maxsize=1000)
def local(zone: str, day: str, hour: int = 0) -> int:
    """The instant at which a zone's clocks show an hour of a date."""
    return int(datetime.fromisoformat(day).replace(hour=hour, tzinfo=ZoneInfo(zone)).timestamp())


def stamp(second: int, style: int, zone: str) -> str:
    """An instant as RFC 3339, written in one of the ways that mean the same."""
    moment = datetime.fromtimestamp(second, UTC)
    if style == 1:
        return moment.astimezone(ZoneInfo(zone)).isoformat()
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + {2: ".75Z", 3: "-00:00", 4: ".001+00:00"}.get(style, "Z")


class Story:
    """One tenant's history, told by choices."""

    def __init__(self, chooser: Chooser, tenant: str) -> None:
        self.choose, self.tenant = chooser, tenant
        self.events: list[Event] = []
        self.month = chooser.pick(MONTHS)
        self.first = date.fromisoformat(f"{self.month}-01")
        self.next = (self.first + timedelta(days=32)).replace(day=1)
        self.zones: dict[str, str] = {}
        self.doctors: list[str] = []
        self.staff: list[str] = []
        self.clusters: list[int] = []
        self.shift = 0
        self.calm = 1

    def tell(self, closes: bool) -> list[Event]:
        """The whole history, with some events twice."""
        self.registry()
        self.clusters = [self.cluster() for _ in range(self.choose.integer(1, 3))]
        for number in range(1, self.choose.integer(1, 3) + 1):
            self.patient(f"P{number}")
        for _ in range(self.choose.integer(0, 3)):
            self.correct()
        if closes:
            self.close()
        for _ in range(self.choose.integer(0, 2)):
            self.events.append(dict(self.choose.pick(self.events)))
        return self.events

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases; False is the simplest."""
        return self.choose.integer(1, 100) > 100 - percent

    def rarely(self, percent: int) -> bool:
        """As `chance`, but four times as rare while a calm patient is told of, whose time mostly counts."""
        return self.choose.integer(1, 100 * self.calm) > 100 * self.calm - percent

    def add(self, kind: str, subject: str, moments: dict[str, int] | None = None, /, **data: Any) -> Event:
        """Append an event recorded about when the last of its moments happened (at most 5 minutes before)."""
        number, happened = len(self.events), moments or {}
        time = max(happened.values(), default=local("UTC", "2020-06-01")) + self.choose.pick(LAGS)
        zone = ZONES[number % len(ZONES)]
        texts = {key: stamp(second, number % 6, zone) for key, second in happened.items()}
        event: Event = {"specversion": "1.0", "id": f"e{number}", "source": ("/ehr/a", "/ehr/b")[number % 2], "type": f"care.{kind}.v1"}
        event |= {"tenant": self.tenant, "subject": subject, "time": stamp(time, 0, "UTC"), "data": {**data, **texts}}
        self.events.append(event)
        return event

    def cluster(self) -> int:
        """An instant around which much happens: a month's border, the night the clocks change, or an ordinary hour."""
        zone = self.choose.pick(list(self.zones.values()))
        ordinary = local(zone, f"{self.month}-{self.choose.integer(8, 12):02}", 10)
        borders = [local(zone, self.first.isoformat()), local(zone, self.next.isoformat())]
        nights = [local("America/New_York", day, 2) for day in ("2026-03-08", "2026-11-01") if day.startswith(self.month)]
        prices = [local(zone, "2024-03-09")] if self.month == "2024-03" else []
        return self.choose.pick([ordinary, *borders, ordinary, *nights, *prices, borders[1]])

    def around(self) -> int:
        """An instant near a cluster."""
        return self.choose.pick(self.clusters) + self.shift + self.choose.pick(OFFSETS)

    def site(self) -> str:
        """One of the sites."""
        return self.choose.pick(list(self.zones))

    # --- the registry

    def registry(self) -> None:
        """Sites and people: versions, changes in mid-month, some registered late or never."""
        for name in ["north", "south", "west"][: self.choose.integer(1, 3)]:
            self.register_site(name)
        self.doctors = ["dr-a", "dr-b", "dr-c"][: self.choose.integer(1, 3)]
        for doctor in self.doctors:
            self.register_person(doctor, self.choose.pick(BILLING) if not self.chance(8) else self.choose.pick(STAFF))
        self.staff = ["st-a", "st-b"]
        for person in self.staff:
            self.register_person(person, self.choose.pick(STAFF))

    def valid_from(self) -> dict[str, str]:
        """The first day of a version within the month, near a border or in the middle."""
        days = [self.first + timedelta(days=self.choose.integer(8, 12)), self.first, self.next - timedelta(days=1)]
        return {"valid_from": self.choose.pick(days).isoformat()}

    def register_site(self, name: str) -> None:
        """Register a site in a zone, perhaps late, perhaps moving to another zone or place of service."""
        self.zones[name] = self.choose.pick(ZONES)
        if self.chance(4):
            return
        pos = self.choose.pick(["11", "11", "22", "31", "10"])
        late = self.valid_from() if self.chance(6) else {}
        self.add("site.registered", name, name=name.title(), zone=self.zones[name], pos=pos, **late)
        for _ in range(2 if self.chance(5) else int(self.chance(15))):
            zone = self.choose.pick([self.zones[name], *ZONES])
            self.add("site.registered", name, name=name, zone=zone, pos=self.choose.pick(["22", "11"]), **self.valid_from())

    def register_person(self, name: str, role: str) -> None:
        """Register a person, perhaps late, perhaps with another role from some day on."""
        if self.chance(4):
            return
        late = self.valid_from() if self.chance(6) else {}
        self.add("practitioner.registered", name, role=role, npi="1234567893", employment="employee", **late)
        if self.chance(8):
            self.add("practitioner.registered", name, role=self.choose.pick([*BILLING, *STAFF]), **self.valid_from())

    # --- one patient

    def patient(self, name: str) -> None:
        """A patient with one to three programs, rivals among them, and what befalls the patient."""
        self.calm = self.choose.pick([1, 4, 4])
        self.shift = self.choose.pick([0, 0, 4 * 3600, -5 * 3600, 4 * DAY])
        program = self.choose.pick(PROGRAMS)
        programs = [program, *(self.choose.pick([*RIVALS[program], *PROGRAMS[::3]]) for _ in range(self.choose.integer(0, 2)))]
        relations = [(program, self.choose.pick(self.doctors)) for program in programs]
        self.conditions(name)
        for relation in dict.fromkeys(relations):
            self.relation(name, relation)
        if self.rarely(40):
            self.stay(name)
        for _ in range(int(self.rarely(8)) + int(self.rarely(4))):
            self.add("patient.died", name, {"at": self.around()})
        if self.rarely(25):
            self.visit(name, self.choose.pick(self.doctors), self.around(), self.choose.pick(["other", "em", "cpm_initial"]))

    def relation(self, patient: str, relation: Relation) -> None:
        """A program with a practitioner: its groundwork, its devices, its time."""
        program, doctor = relation
        who = {"program": program, "practitioner_id": doctor}
        self.consents(patient, who)
        self.enrolments(patient, who)
        if program in {"CCM", "PCM", "BHI"}:
            self.initial_visit(patient, doctor, self.choose.pick(["em", "em", "awv", "ippe"]))
        elif program == "CPM":
            self.initial_visit(patient, doctor, "cpm_initial")
        if program in {"CCM", "PCM"} and not self.rarely(8):
            border = self.choose.pick([self.before(9), self.before(9), self.around()])
            self.add("plan.recorded", patient, {"at": border}, **who)
        if program in KINDS and self.chance(60):
            self.devices(patient, relation)
        self.times(patient, relation)

    def before(self, days: int) -> int:
        """An instant so many days before the month."""
        return local("America/Chicago", self.first.isoformat(), 9) - days * DAY

    def consents(self, patient: str, who: dict[str, str]) -> None:
        """A consent long before or in the thick of it; perhaps a renewal, a revocation, a new consent."""
        at = self.around() if self.rarely(15) else self.before(self.choose.pick([15, 40, 366, 400]))
        if not self.rarely(4):
            self.add("consent.given", patient, {"at": at}, **who, form="verbal", obtained_by="st-a")
        if self.chance(10):
            self.add("consent.given", patient, {"at": self.choose.pick([at, self.before(5)])}, **who, form="written")
        if self.rarely(20):
            revoked = self.choose.pick([self.around(), self.around(), self.before(3)])
            self.add("consent.revoked", patient, {"at": revoked}, **who)
            if self.chance(60):
                again = revoked + self.choose.pick([0, 0, 60, 600, 1800, DAY, 9 * DAY])
                self.add("consent.given", patient, {"at": again}, **who, form="verbal")
                if self.chance(20):
                    self.add("consent.revoked", patient, {"at": again + self.choose.pick([0, 300, DAY])}, **who)

    def enrolments(self, patient: str, who: dict[str, str]) -> None:
        """None, a start with a track, several that compete, an end, a stray end, a new start."""
        tracks = {"CCM": ["staff", "practitioner", "complex"], "PCM": ["staff", "practitioner"]}.get(who["program"], [])
        for _ in range(int(self.chance(60)) + int(self.rarely(12))):
            track = {"track": self.choose.pick(tracks)} if tracks and self.chance(75) else {}
            at = self.choose.pick([self.before(12), self.before(12), self.around()])
            self.add("enrollment.started", patient, {"at": at}, **who, site_id=self.site(), **track)
            if track.get("track") == "complex" and self.chance(80):
                self.decision_making(patient, who["practitioner_id"])
        if self.rarely(15):
            at = self.around()
            self.add("enrollment.ended", patient, {"at": at}, **who, reason="moved")
            if self.chance(60):
                again = at + self.choose.pick([0, 600, DAY, 9 * DAY])
                self.add("enrollment.started", patient, {"at": again}, **who, site_id=self.site())

    def decision_making(self, patient: str, doctor: str) -> None:
        """One or two levels for the month or its neighbour."""
        for _ in range(1 + int(self.chance(25))):
            month = self.choose.pick([self.month, self.month, self.next.isoformat()[:7]])
            level = self.choose.pick(["high", "moderate", "low"])
            self.add("mdm.recorded", patient, None, practitioner_id=doctor, month=month, level=level)

    def conditions(self, patient: str) -> None:
        """Conditions for all programs, some of them not quite enough."""
        border = self.first - timedelta(days=self.choose.pick([91, 80, 83, 92, 400]))
        onset = {} if self.rarely(8) else {"onset": border.isoformat()}
        wanted: list[tuple[str, str, dict[str, Any]]] = [
            ("M54.50", "chronic_pain", onset),
            ("I10", "chronic", {}),
            (self.choose.pick(["E11.9", "E119", "E78.5", "I10"]), "chronic", self.expected(12)),
            (self.choose.pick(["E119", "I10"]), "chronic", {}),
            ("C50.911", "high_risk", self.expected(3)),
            ("F32.9", "behavioral", {}),
        ]
        for code, category, extra in wanted:
            if not self.rarely(10):
                self.add("condition.recorded", patient, {"at": self.before(20)}, icd10=code, category=category, **extra)

    def expected(self, months: int) -> dict[str, int]:
        """The months a condition is expected to last, about the limit, or nothing said."""
        return self.choose.pick([{}, {"expected_months": months}, {"expected_months": months - 1}])

    # --- visits, stays, devices

    def initial_visit(self, patient: str, doctor: str, kind: str) -> None:
        """The visit a program asks for, before the month or in the thick of it, sometimes too early; sometimes two that compete."""
        for _ in range(1 + int(self.rarely(15))):
            long_ago = self.before(self.choose.pick([15, 40, 381, 405, 406, 766]))
            self.visit(patient, doctor, self.choose.pick([long_ago, long_ago, self.before(20), self.around()]), kind)

    def visit(self, patient: str, doctor: str, start: int, kind: str) -> None:
        """A visit that qualifies or nearly does."""
        length = self.choose.pick([1800, 1800, 1920, 2700, 1799])
        near = {"modality": "in_person", "setting": "clinical"}
        if self.rarely(10):
            near |= self.choose.pick([{"modality": "video"}, {"setting": "home"}, {"modality": "audio", "setting": "snf"}])
        who = {"practitioner_id": doctor, "site_id": self.site()}
        moments = {"start": start, "end": start + length}
        self.add("visit.completed", patient, moments, kind=kind, **who, **near, em_billed=self.chance(50))

    def stay(self, patient: str) -> None:
        """A stay, sometimes one without an end."""
        start = self.around()
        moments = {"start": start} if self.chance(20) else {"start": start, "end": start + self.choose.pick([600, 1800, DAY, 9 * DAY])}
        self.add("stay.recorded", patient, moments, kind=self.choose.pick(["inpatient", "snf", "observation", "hospice"]))

    def devices(self, patient: str, relation: Relation) -> None:
        """Set-ups of one or two kinds and runs of daily readings whose number is about a threshold, at hours about midnight."""
        program, doctor = relation
        for kind in dict.fromkeys(self.choose.pick(KINDS[program]) for _ in range(self.choose.integer(1, 2))):
            set_up = self.choose.pick([self.before(25), self.before(29), self.before(5), self.around()])
            for at in [set_up] + [set_up + self.choose.pick([0, 3 * DAY, 25 * DAY, 33 * DAY])] * int(self.chance(25)):
                site = {"practitioner_id": doctor, "site_id": self.site()}
                self.add("device.set_up", patient, {"at": at}, program=program, kind=kind, **site)
            for _ in range(1 + int(self.chance(25))):
                first = set_up + self.choose.pick([0, 0, -3600, 3600, 14 * DAY, 20 * DAY, 30 * DAY]) + self.choose.pick([0, 12, 18]) * 3600
                for day in range(self.choose.pick([16, 2, 15, 17, 1, 16, 30])):
                    self.add("device.reading", patient, {"at": first + day * DAY}, program=program, kind=kind)

    # --- time

    def times(self, patient: str, relation: Relation) -> None:
        """Entries that overlap, touch, cross borders, and often add up to a threshold, or to one second less or more."""
        total, start = 0, self.around()
        for _ in range(self.choose.pick([1, 1, 2, 3, 4, 6])):
            length = self.choose.pick(LENGTHS)
            if self.chance(65):
                aims = [aim + more - total for aim in THRESHOLDS for more in (0, 0, -1, 1) if 0 < aim + more - total <= LONGEST]
                length = self.choose.pick(aims or LENGTHS)
            self.entry(patient, relation, start, length)
            total += length
            elsewhere = self.choose.pick([start, start + length // 2, self.around()])
            start = elsewhere if self.rarely(60) else start + length

    def entry(self, patient: str, relation: Relation, start: int, length: int) -> Event:
        """One time entry, mostly by someone who may do it."""
        program, doctor = relation
        own = program == "CPM" or self.chance(50)
        performer = doctor if own and not self.rarely(12) else self.choose.pick([*self.staff, *self.staff, *self.doctors])
        extra = {"supervision": self.choose.pick(["direct", "general"])} if self.chance(20) else {}
        who = {"program": program, "practitioner_id": doctor, "performer_id": performer, "site_id": self.site()}
        source = self.choose.pick(["timer", "timer", "timer", "manual", "manual", "inferred"]) if self.rarely(40) else "timer"
        rest = {"activity": "care_coordination", "interactive": not self.chance(30), "source": source, **extra}
        return self.add("time.logged", patient, {"start": start, "end": start + length}, **who, **rest)

    # --- corrections

    def correct(self) -> None:
        """Retract something (now and then a retraction, or what never was), or replace a time entry."""
        times = [event for event in self.events if event["type"] == "care.time.logged.v1"]
        target = self.choose.pick(times if self.chance(75) else self.events)
        if self.chance(50) and target in times:
            again = self.entry(target["subject"], (target["data"]["program"], target["data"]["practitioner_id"]), self.around(), 1200)
            again |= {"source": target["source"], "replaces": target["id"]}
            return
        event = self.add("event.retracted", target["subject"], None, id=target["id"], reason="entered in error")
        if event["source"] != target["source"]:
            event["data"]["source"] = target["source"]

    def close(self) -> None:
        """Close the month, or one site's part of it, once it is over in UTC."""
        over = local("UTC", self.next.isoformat())
        site = {"site_id": self.site()} if self.chance(40) else {}
        at = {"at": over + self.choose.pick([0, 3600, 5 * DAY])}
        self.add("month.closed", self.tenant, at, month=self.month, by="biller", **site)
