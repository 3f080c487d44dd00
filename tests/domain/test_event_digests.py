"""Two events have one digest exactly when their content is the same (docs/contract.md §1, `id`)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import EVENT_TYPES, digest
from domain.instants import format_instant, parse_instant
from tests.domain.event_examples import EXAMPLES, Json, accepted, an_event

# Digests are stored in ledgers: a figure that changes here makes every repeat of an old event look like a reused id.
GOLDEN = {
    "care.site.registered.v1": "2196481db6a802ca9ac17821c2d5d39b",
    "care.practitioner.registered.v1": "1199cd21f3a3bd242267af81a72ba5bc",
    "care.enrollment.started.v1": "d9c9c0ebb207773c2e896e9461139495",
    "care.enrollment.ended.v1": "39205e7e2ea44df57f164d83e99c9fe0",
    "care.consent.given.v1": "a3bca1ba7f324126fb470c4c0c598972",
    "care.consent.revoked.v1": "41c1255143ac5384ba8471034cb8025b",
    "care.visit.completed.v1": "a6374d5aee19c1ec0e848070a4ddcc4f",
    "care.time.logged.v1": "481651abcb6aac0c46723f62ee93359d",
    "care.condition.recorded.v1": "0cc895226fbfb2672ccd442c4597c815",
    "care.plan.recorded.v1": "a564f698831f785bccb4c114f2d36213",
    "care.mdm.recorded.v1": "c85487074d4e141400177b0e4b8a4f2e",
    "care.device.set_up.v1": "5fb9dbaa7fa8597db2a8ea4ce08c9b45",
    "care.device.reading.v1": "920c3e610b01828b4a2dc51b47f7bc8f",
    "care.stay.recorded.v1": "024999760e5ddf4620d538c75abaa042",
    "care.patient.died.v1": "666d49a129c7e9c9cd37b79cb18f7fa5",
    "care.month.closed.v1": "a09afb967dc85d4e53acb88616970956",
    "care.event.retracted.v1": "d5d2658871a67bc89f5ddaf675bbce4b",
}


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_digests_stay_what_they_are(kind: str) -> None:
    assert digest(accepted(an_event(kind))).hex() == GOLDEN[kind]


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "P-2"},
        {"time": "2026-03-02T16:20:01Z"},
        {"replaces": "e-0"},
        {"data": EXAMPLES["care.time.logged.v1"] | {"interactive": False}},
        {"data": EXAMPLES["care.time.logged.v1"] | {"end": "2026-03-02T10:20:01-05:00"}},
    ],
)
def test_other_content_has_another_digest(change: Json) -> None:
    assert digest(accepted(an_event(**change))) != digest(accepted(an_event()))


def test_the_type_is_content_and_the_identity_is_not() -> None:
    plan, consent = an_event("care.plan.recorded.v1"), an_event("care.consent.revoked.v1")
    assert plan["data"] == consent["data"]
    assert digest(accepted(plan)) != digest(accepted(consent))
    assert digest(accepted(plan)) == digest(accepted(plan | {"id": "e-2", "source": "/x", "tenant": "other"}))


def test_numbers_are_content_by_value() -> None:
    contents = [digest(accepted(an_event("care.condition.recorded.v1", {"expected_months": n}))) for n in (12, 12.0, 13)]
    assert contents[0] == contents[1] != contents[2]


def shuffled(draw: Callable[[st.SearchStrategy[Any]], Any], obj: Json) -> Json:
    return {key: obj[key] for key in draw(st.permutations(list(obj)))}


@given(st.data(), st.sampled_from(list(EVENT_TYPES)))
def test_spelling_is_no_content(data: st.DataObject, kind: str) -> None:
    obj = shuffled(data.draw, an_event(kind))
    obj["data"] = shuffled(data.draw, obj["data"])
    for name in {"at", "start", "end"} & set(obj["data"]):
        zone = data.draw(st.sampled_from(["-05:00", "+00:00", "Z", "z", "+13:45", "-00:00"]))
        fraction = data.draw(st.sampled_from(["", ".0", ".999999999999"]))
        obj["data"][name] = respelt(obj["data"][name], zone, fraction)
    assert digest(accepted(obj)) == digest(accepted(an_event(kind)))


def respelt(text: str, zone: str, fraction: str) -> str:
    """The same second as seen in another offset."""
    offset = 0 if zone in "Zz" else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[4:]) * 60)
    return format_instant(parse_instant(text) + offset)[:-1] + fraction + zone
