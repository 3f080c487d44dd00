"""One good event of each type, and what becomes of an object."""

from typing import Any

import pytest

from domain.events import Event, Invalid, validate
from domain.vocabulary import DEFAULT_VOCABULARY

Json = dict[str, Any]

TIME = "2026-03-02T16:20:00Z"
AT = "2026-03-02T10:00:00-05:00"
SPAN = {"start": AT, "end": "2026-03-02T10:20:00-05:00"}
WHO = {"program": "CCM", "practitioner_id": "dr-lee"}
PLACE = {"site_id": "north"}

EXAMPLES: dict[str, Json] = {
    "care.site.registered.v1": {"name": "North", "zone": "America/Chicago", "pos": "11", "valid_from": "1999-12-31"},
    "care.practitioner.registered.v1": {"role": "np", "npi": "1234567893", "employment": "leased", "valid_from": "2026-01-01"},
    "care.enrollment.started.v1": WHO | PLACE | {"at": AT, "track": "complex"},
    "care.enrollment.ended.v1": WHO | {"at": AT, "reason": "moved away"},
    "care.consent.given.v1": WHO | {"at": AT, "form": "verbal", "obtained_by": "Front desk"},
    "care.consent.revoked.v1": WHO | {"at": AT},
    "care.visit.completed.v1": PLACE | SPAN | {
        "kind": "em", "practitioner_id": "dr-lee", "modality": "video", "setting": "home", "em_billed": True
    },
    "care.time.logged.v1": WHO | PLACE | SPAN | {
        "performer_id": "rn-kim", "activity": "call", "interactive": True, "source": "timer", "supervision": "direct"
    },
    "care.condition.recorded.v1": {"icd10": "E11.9", "category": "chronic", "at": AT, "onset": "1962-02-03", "expected_months": 12},
    "care.plan.recorded.v1": WHO | {"at": AT},
    "care.mdm.recorded.v1": {"practitioner_id": "dr-lee", "month": "2026-03", "level": "high"},
    "care.device.set_up.v1": WHO | PLACE | {"program": "RTM", "kind": "cbt", "at": AT},
    "care.device.reading.v1": {"program": "RPM", "kind": "physiologic", "at": AT},
    "care.stay.recorded.v1": {"kind": "snf", **SPAN},
    "care.patient.died.v1": {"at": AT},
    "care.month.closed.v1": {"month": "2026-02", "site_id": "north", "at": AT, "by": "Ann"},
    "care.event.retracted.v1": {"id": "e-0", "source": "/ehr/south", "reason": "entered in error"},
}  # fmt: skip

OPTIONAL: dict[str, Json] = {
    "care.site.registered.v1": {"valid_from": None},
    "care.practitioner.registered.v1": {"npi": None, "employment": None, "valid_from": None},
    "care.enrollment.started.v1": {"track": "staff"},
    "care.consent.given.v1": {"obtained_by": None},
    "care.time.logged.v1": {"supervision": "general"},
    "care.condition.recorded.v1": {"onset": None, "expected_months": None},
    "care.stay.recorded.v1": {"end": None},
    "care.month.closed.v1": {"site_id": None},
    "care.event.retracted.v1": {"source": "/ehr/north"},
}


def an_event(kind: str = "care.time.logged.v1", data: Json | None = None, **attributes: object) -> Json:
    subject = "acme" if kind == "care.month.closed.v1" else "P-1001"
    envelope = {"specversion": "1.0", "id": "e-1", "source": "/ehr/north", "type": kind, "tenant": "acme", "subject": subject}
    return envelope | {"time": TIME, "data": EXAMPLES.get(kind, {}) | (data or {})} | attributes


def accepted(obj: object) -> Event:
    return validate(obj, DEFAULT_VOCABULARY)


def refused(obj: object) -> Invalid:
    with pytest.raises(Invalid) as caught:
        accepted(obj)
    return caught.value


def without(obj: Json, name: str) -> Json:
    return {key: value for key, value in obj.items() if key != name}


def outcome(obj: object) -> Event | Invalid:
    """What becomes of the object, for cases that do not know beforehand."""
    try:
        return accepted(obj)
    except Invalid as error:
        return error
