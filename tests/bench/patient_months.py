"""Patient-months to decide, made from events as they would come in: what is timed starts from the parsed facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.calendar import shift_month
from domain.events import Event
from domain.facts import History, Registry
from domain.records import DEVICE_MONTHS, MONTHLY, Facts, add, history, months_of, place
from domain.registry import Registration, registry_of
from domain.vocabulary import Vocabulary
from ledger.codec import decode

OWN_WORK: Final = ("CPM",)
DEVICE_KINDS: Final = {"RPM": "physiologic", "RTM": "respiratory"}
CONDITIONS: Final = (("chronic", "I10"), ("chronic", "E11.9"), ("high_risk", "J44.9"), ("behavioral", "F32.1"), ("chronic_pain", "M54.50"))
DAYS: Final = 26
NESTED_SECONDS: Final = 8 * 3600


class Told:
    """The events told of one patient, decoded."""

    def __init__(self, subject: str, words: Vocabulary) -> None:
        self.subject = subject
        self.words = words
        self.events: list[Event] = []

    def tell(self, kind: str, at: datetime, /, *, subject: str | None = None, **data: Any) -> None:
        """Add an event recorded on the day after `at`."""
        time = (at + timedelta(days=1)).isoformat()
        event = {"specversion": "1.0", "id": f"e{len(self.events)}", "source": "/bench", "type": f"care.{kind}.v1", "tenant": "acme"}
        raw = json.dumps({**event, "subject": subject or self.subject, "time": time, "data": data})
        self.events.append(decode(raw.encode(), self.words))


def registry(words: Vocabulary) -> Registry:
    """One site, a physician and a nurse."""
    told, at = Told("north", words), datetime(2020, 1, 1, tzinfo=UTC)
    told.tell("site.registered", at, name="North", zone="America/New_York", pos="11")
    told.tell("practitioner.registered", at, subject="dr-lee", role="physician")
    told.tell("practitioner.registered", at, subject="rn-day", role="rn")
    return registry_of(Registration.of(event) for event in told.events)


def month_of(number: int) -> str:
    """The month of the patient of that number, so that not all are the same."""
    return f"2026-{number % 9 + 1:02d}"


def patient_month(
    number: int, programs: Sequence[str], entries: int, words: Vocabulary, *, devices: bool = False, nested: bool = False
) -> History:
    """The facts of a patient-month whose entries go round the programs; `nested` entries all overlap each other."""
    told = Told(f"P-{number}", words)
    _admit(told, programs)
    first = datetime.fromisoformat(f"{month_of(number)}-02T14:00:00+00:00")
    for at, (start, end) in enumerate(_nested(first, entries) if nested else _spread(first, entries, number)):
        program = programs[at % len(programs)]
        _log(told, program, start, end)
    if devices:
        for program in programs:
            _measure(told, program, first)
    return _history(told.events, month_of(number))


def _admit(told: Told, programs: Sequence[str]) -> None:
    """Visits, consents, conditions and plans of the year before: all that a line may need."""
    at = datetime(2025, 12, 1, 15, tzinfo=UTC)
    for category, icd10 in CONDITIONS:
        told.tell("condition.recorded", at, category=category, icd10=icd10, onset="2025-01-01", at=at.isoformat())
    for program in programs:
        own: dict[str, Any] = {"practitioner_id": "dr-lee"}
        visit: dict[str, Any] = {
            "kind": "cpm_initial" if program == "CPM" else "awv",
            "modality": "in_person",
            "setting": "clinical",
            "em_billed": True,
        }
        told.tell(
            "visit.completed", at, **own, **visit, site_id="north", start=at.isoformat(), end=(at + timedelta(minutes=40)).isoformat()
        )
        at += timedelta(hours=2)
        own |= {"program": program, "at": at.isoformat()}
        told.tell("consent.given", at, **own, form="written")
        told.tell("enrollment.started", at, **own, site_id="north")
        told.tell("plan.recorded", at, **own)


def _spread(first: datetime, entries: int, number: int) -> Iterator[tuple[datetime, datetime]]:
    """Entries of five to ten minutes over the month; each tenth begins while the one before it lasts."""
    step = timedelta(days=DAYS) / entries
    for at in range(entries):
        start = first + at * step - (step - timedelta(seconds=60) if at % 10 == 9 else timedelta())
        yield start, start + timedelta(seconds=300 + (37 * at + 11 * number) % 300)


def _nested(first: datetime, entries: int) -> Iterator[tuple[datetime, datetime]]:
    """Entries of hours, each inside the one before it: the worst there can be."""
    for at in range(entries):
        yield first + timedelta(seconds=at), first + timedelta(seconds=NESTED_SECONDS - at)


def _log(told: Told, program: str, start: datetime, end: datetime) -> None:
    performer = "dr-lee" if program in OWN_WORK else "rn-day"
    people = {"practitioner_id": "dr-lee", "performer_id": performer, "site_id": "north"}
    what: dict[str, Any] = {"activity": "care_coordination", "interactive": True, "source": "timer"}
    told.tell("time.logged", end, program=program, start=start.isoformat(), end=end.isoformat(), **people, **what)


def _measure(told: Told, program: str, first: datetime) -> None:
    """A device from the month before on, with a reading on three days of four."""
    at, kind = first - timedelta(days=20), DEVICE_KINDS[program]
    told.tell("device.set_up", at, program=program, kind=kind, practitioner_id="dr-lee", site_id="north", at=at.isoformat())
    for day in range(20 + DAYS):
        if day % 4:
            when = at + timedelta(days=day)
            told.tell("device.reading", when, program=program, kind=kind, at=when.isoformat())


def _history(events: Sequence[Event], month: str) -> History:
    """The facts as the ledger would hand them over for the month."""
    lasting: Facts = {}
    monthly: dict[str, Facts] = {}
    for placed in filter(None, map(place, events)):
        if placed.kind in MONTHLY:
            for one in months_of(placed.low, placed.high):
                add(monthly.setdefault(one, {}), placed.kind, placed.fact)
        else:
            add(lasting, placed.kind, placed.fact)
    earlier = [monthly.get(shift_month(month, -by), {}) for by in range(1, DEVICE_MONTHS + 1)]
    return history(lasting, monthly.get(month, {}), earlier, ())
