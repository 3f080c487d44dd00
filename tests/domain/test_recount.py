"""Events read again from their bytes are those that were accepted, however their optional fields were written."""

import json
from typing import Any

import orjson
import pytest

from domain.events import digest, validate
from domain.recount import Told, recounted
from domain.sums import Sums
from domain.trusted import turned
from domain.vocabulary import DEFAULT_VOCABULARY

ENTRY = {
    "program": "RTM", "practitioner_id": "dr-lee", "performer_id": "rn-1", "site_id": "north", "activity": "review", "interactive": True,
    "start": "2026-03-02T10:00:00-05:00", "end": "2026-03-02T10:20:00-05:00", "source": "timer",
}  # fmt: skip
CONDITION = {"icd10": "I10", "category": "chronic", "at": "2026-03-01T10:00:00Z"}
START = {"practitioner_id": "dr-lee", "site_id": "north", "at": "2026-03-01T10:00:00Z"}
WRITTEN = [
    ("care.time.logged.v1", ENTRY),
    ("care.time.logged.v1", {**ENTRY, "supervision": None}),
    ("care.condition.recorded.v1", {**CONDITION, "expected_months": 12}),
    ("care.condition.recorded.v1", {**CONDITION, "expected_months": 12.0}),
    ("care.enrollment.started.v1", {**START, "program": "CCM"}),
    ("care.enrollment.started.v1", {**START, "program": "RPM", "track": None}),
    ("care.event.retracted.v1", {"id": "e-0", "reason": "twice"}),
]


def written(kind: str, data: dict[str, Any]) -> bytes:
    envelope = {"specversion": "1.0", "id": "e-1", "source": "/ehr", "type": kind, "tenant": "acme", "subject": "P-1"}
    return json.dumps({**envelope, "time": "2026-03-02T16:20:00Z", "data": data}).encode()


@pytest.mark.parametrize(("kind", "data"), WRITTEN)
def test_what_is_read_again_is_what_was_accepted(kind: str, data: dict[str, Any]) -> None:
    raw = written(kind, data)
    accepted = validate(json.loads(raw), DEFAULT_VOCABULARY)
    assert digest(turned(json.loads(raw), DEFAULT_VOCABULARY.tracks)) == digest(accepted)
    told = Told(DEFAULT_VOCABULARY.tracks, {}, orjson.loads, orjson.dumps)
    row = ("P-1", accepted.time, digest(accepted), raw, "/ehr", "e-1", kind, None)
    assert recounted("acme", [row], told, Sums())["P-1"].wrong == 0
    others = (b"another", "/other", "e-2", "care.patient.died.v1", "/ehr\te-0")
    for at, other in zip((2, 4, 5, 6, 7), others, strict=True):
        assert recounted("acme", [(*row[:at], other, *row[at + 1 :])], told, Sums())["P-1"].wrong == 1
