"""The demo's own patients: one whose month shows a first visit, a consent, an overlap, a wrong role, a midnight and a late
correction, and one who is enrolled and whom nobody thinks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from typing import Any, Final

from caremonth.sample import TENANT, sample

MONTH: Final = "2026-03"
PATIENT: Final = "P-maple"
FORGOTTEN: Final = "P-willow"
DOCTOR: Final = "dr-okafor"
NURSE: Final = "rn-lund"
SITE: Final = "site-01"
BOARD_DAY: Final = "2026-03-20"
EVE_OF_CLOSE: Final = "2026-04-05"
_SIDE: Final = {"program": "CPM", "practitioner_id": DOCTOR}

Row = dict[str, Any]


def stream() -> Iterator[Row]:
    """Three sites' March, the demo's own patients among the others, in order of recorded time; the sites are closed in April."""
    others = (json.loads(line) for line in sample(15, 1, 3, 7, first_month=MONTH, close=True))
    return merge(others, _story(), key=lambda event: str(event["time"]))


def correction() -> Row:
    """What comes late: the call of 9 March had lasted twenty-one minutes, not eight and a half."""
    return {
        **_time("call-9-corrected", "2026-03-09T14:00:00-04:00", "2026-03-09T14:21:00-04:00", "2026-04-08T14:00:00Z"),
        "replaces": "call-9",
    }


def raw(event: Row) -> bytes:
    """The event as a line of a file."""
    return json.dumps(event).encode()


def _story() -> list[Row]:
    start, visit_end = "2026-03-03T10:00:00-05:00", "2026-03-03T10:35:00-05:00"
    visit = {
        "kind": "cpm_initial", "practitioner_id": DOCTOR, "site_id": SITE, "start": start, "end": visit_end,
        "modality": "in_person", "setting": "clinical", "em_billed": False,
    }  # fmt: skip
    monitored = {"program": "RPM", "practitioner_id": DOCTOR, "at": "2026-03-02T16:00:00Z"}
    pain = {"icd10": "G89.29", "category": "chronic_pain", "at": start, "onset": "2025-09-15"}
    events = [
        _event("doctor", "practitioner.registered", DOCTOR, "2026-02-27T15:00:00Z", {"role": "physician", "npi": "1234567893"}),
        _event("nurse", "practitioner.registered", NURSE, "2026-02-27T15:00:01Z", {"role": "rn"}),
        _event("forgotten", "enrollment.started", FORGOTTEN, "2026-03-02T16:00:00Z", {**monitored, "site_id": SITE}),
        _event("agreed", "consent.given", FORGOTTEN, "2026-03-02T16:00:00Z", {**monitored, "form": "verbal"}),
        _time("call-2", "2026-03-02T15:00:00-05:00", "2026-03-02T15:10:00-05:00"),
        _event("enrolled", "enrollment.started", PATIENT, start, {**_SIDE, "site_id": SITE, "at": start}),
        _event(
            "consent", "consent.given", PATIENT, "2026-03-03T10:06:00-05:00", {**_SIDE, "at": "2026-03-03T10:05:00-05:00", "form": "verbal"}
        ),
        _event("pain", "condition.recorded", PATIENT, "2026-03-03T10:30:00-05:00", pain),
        _event("first-visit", "visit.completed", PATIENT, visit_end, visit),
        _time("call-9", "2026-03-09T14:00:00-04:00", "2026-03-09T14:08:30-04:00"),
        _time("nurse-12", "2026-03-12T11:00:00-04:00", "2026-03-12T11:12:00-04:00", performer=NURSE),
        _time("review-16", "2026-03-16T09:00:00-04:00", "2026-03-16T09:10:00-04:00"),
        _time("letter-16", "2026-03-16T09:06:00-04:00", "2026-03-16T09:12:00-04:00", source="manual"),
        _time("late-call-31", "2026-03-31T23:52:00-04:00", "2026-04-01T00:06:00-04:00"),
    ]
    return sorted(events, key=lambda event: str(event["time"]))


def _time(name: str, start: str, end: str, recorded: str | None = None, *, performer: str = DOCTOR, source: str = "timer") -> Row:
    data = {
        **_SIDE, "performer_id": performer, "site_id": SITE, "start": start, "end": end, "activity": "medication_management",
        "interactive": name.startswith("call"), "source": source,
    }  # fmt: skip
    return _event(name, "time.logged", PATIENT, recorded or end, data)


def _event(name: str, kind: str, subject: str, recorded: str, data: Row) -> Row:
    """An event; its recording time in UTC, so that texts of times sort as times do."""
    return {
        "specversion": "1.0", "id": name, "source": "/demo", "type": f"care.{kind}.v1", "tenant": TENANT, "subject": subject,
        "time": datetime.fromisoformat(recorded).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "data": data,
    }  # fmt: skip
