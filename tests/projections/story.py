"""A made-up clinic told in a few calls, and what the tables of the views hold."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from ledger.database import reading
from projections.projection import positions
from projections.run import PROJECTIONS

Event = dict[str, Any]
ACME = "acme"


class Clinic:
    """Events of tenant `acme`: sites with their zones, Dr. Lee, and patients in chronic pain management."""

    def __init__(self, **zones: str) -> None:
        self.events: list[Event] = []
        for site, zone in (zones or {"north": "America/New_York"}).items():
            self.add("site.registered", site, "2020-01-01T00:00:00Z", name=site, zone=zone, pos="11")
        self.add("practitioner.registered", "dr-lee", "2020-01-01T00:00:00Z", role="physician", npi="1234567893")

    def add(self, kind: str, subject: str, time: str, /, **data: Any) -> str:
        identifier = f"e{len(self.events):04d}"
        envelope = {"specversion": "1.0", "id": identifier, "source": "/ehr", "tenant": ACME, "time": time}
        self.events.append({**envelope, "type": f"care.{kind}.v1", "subject": subject, "data": data})
        return identifier

    def admit(self, patient: str, at: str, site: str = "north", *, condition: bool = True) -> None:
        """Consent and the first visit, billed by itself, so that it is no time of the month."""
        self.consent(patient, at)
        self.visit(patient, at, site, "cpm_initial")
        if condition:
            self.add("condition.recorded", patient, at, icd10="M54.50", category="chronic_pain", onset="2020-01-01", at=at)

    def enroll(self, patient: str, at: str, site: str = "north", program: str = "CPM", practitioner: str = "dr-lee", **track: str) -> str:
        side = {"program": program, "practitioner_id": practitioner}
        return self.add("enrollment.started", patient, at, site_id=site, at=at, **side, **track)

    def end(self, patient: str, at: str, program: str = "CPM") -> str:
        return self.add("enrollment.ended", patient, at, program=program, practitioner_id="dr-lee", at=at, reason="moved away")

    def consent(self, patient: str, at: str, program: str = "CPM") -> str:
        return self.add("consent.given", patient, at, program=program, practitioner_id="dr-lee", at=at, form="verbal")

    def revoke(self, patient: str, at: str, program: str = "CPM") -> str:
        return self.add("consent.revoked", patient, at, program=program, practitioner_id="dr-lee", at=at)

    def visit(self, patient: str, at: str, site: str = "north", kind: str = "em") -> str:
        """A visit of half an hour, billed by itself."""
        how = {"kind": kind, "modality": "in_person", "setting": "clinical", "em_billed": True, "site_id": site}
        return self.add("visit.completed", patient, later(at, 1800), start=at, end=later(at, 1800), practitioner_id="dr-lee", **how)

    def log(self, patient: str, start: str, minutes: float, site: str = "north", recorded: str | None = None) -> str:
        end = later(start, round(minutes * 60))
        people = {"practitioner_id": "dr-lee", "performer_id": "dr-lee", "site_id": site}
        more = {"activity": "care_planning", "interactive": True, "source": "timer"}
        return self.add("time.logged", patient, recorded or end, program="CPM", start=start, end=end, **people, **more)

    def retract(self, identifier: str, patient: str, time: str) -> None:
        self.add("event.retracted", patient, time, id=identifier, reason="entered twice")

    def close(self, month: str, at: str, **site: str) -> None:
        self.add("month.closed", ACME, at, month=month, at=at, by="biller", **site)


def later(text: str, seconds: int) -> str:
    return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


def second(text: str) -> int:
    """Epoch seconds of an instant."""
    return int(datetime.fromisoformat(text).timestamp())


def inputs(events: Iterable[Event]) -> list[tuple[str, bytes]]:
    """Events as the ledger takes them."""
    return [(f"story:{number}", json.dumps(event).encode()) for number, event in enumerate(events, 1)]


def contents(engine: Engine) -> dict[str, list[Any]]:
    """All rows of all views, and how far each has come."""
    tables = [positions, *(table for projection in PROJECTIONS for table in projection.tables)]
    with reading(engine) as connection:
        return {t.name: [tuple(row) for row in connection.execute(select(t).order_by(*t.primary_key))] for t in tables}
