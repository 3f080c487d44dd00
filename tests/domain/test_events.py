"""The table and the sentences of docs/contract.md §1, one case each."""

import pytest

from domain.event_types import EventRetracted, SiteRegistered, TimeLogged
from domain.events import EVENT_TYPES, Invalid, digest, validate
from domain.instants import parse_day
from domain.vocabulary import Vocabulary
from tests.domain.event_examples import AT, EXAMPLES, OPTIONAL, Json, accepted, an_event, refused, without


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_type_is_accepted(kind: str) -> None:
    event = accepted(an_event(kind))
    assert (event.type, event.tenant, event.source, event.id) == (kind, "acme", "/ehr/north", "e-1")
    assert isinstance(event.data, EVENT_TYPES[kind])


def test_every_type_of_the_contract_has_an_example() -> None:
    assert list(EXAMPLES) == list(EVENT_TYPES)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, data in EXAMPLES.items() for name in data])
def test_a_field_is_required_unless_the_table_marks_it(kind: str, name: str) -> None:
    obj = an_event(kind)
    obj["data"] = without(obj["data"], name)
    if name in OPTIONAL.get(kind, {}):
        assert getattr(accepted(obj).data, name) == OPTIONAL[kind][name]
    else:
        assert refused(obj).message == f"data.{name}: is required and missing; add it."


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in OPTIONAL.items() for name in names])
def test_null_and_default_are_the_absent_field(kind: str, name: str) -> None:
    absent = an_event(kind)
    absent["data"] = without(absent["data"], name)
    contents = {digest(accepted(obj)) for obj in (absent, an_event(kind, {name: None}), an_event(kind, {name: OPTIONAL[kind][name]}))}
    assert len(contents) == 1
    assert digest(accepted(an_event(kind))) not in contents


def test_instants_are_seconds_and_dates_are_ordinals() -> None:
    event = accepted(an_event("care.condition.recorded.v1"))
    assert event.time == 1772468400
    assert event.data.model_dump() == {
        "icd10": "E11.9",
        "category": "chronic",
        "at": 1772463600,
        "onset": parse_day("1962-02-03"),
        "expected_months": 12,
    }


def test_identities_sort_as_pairs_of_source_and_id() -> None:
    pairs = [("/a", "2"), ("/a", "10"), ("/a b", "1"), ("/a!", "0"), ("/aé", "1"), ("/b", "")]
    events = [accepted(an_event(source=source, id=id_ or "x")) for source, id_ in pairs]
    assert sorted(events, key=lambda e: e.identity) == sorted(events, key=lambda e: (e.source, e.id))


ENVELOPES: list[tuple[str, Json, str]] = [
    ("version", {"specversion": "0.3"}, "specversion"),
    ("version as number", {"specversion": 1.0}, "specversion"),
    ("empty id", {"id": ""}, "id"),
    ("numeric id", {"id": 7}, "id"),
    ("null id", {"id": None}, "id"),
    ("escape in id", {"id": "e\x1b[31m"}, "id"),
    ("new line in id", {"id": "e-1\n"}, "id"),
    ("C1 control in id", {"id": "e\x85"}, "id"),
    ("tab in source", {"source": "/ehr\tnorth"}, "source"),
    ("NUL in source", {"source": "/ehr\x00"}, "source"),
    ("empty source", {"source": ""}, "source"),
    ("control in type", {"type": "care.time.logged.v1\n"}, "type"),
    ("control in replaces", {"replaces": "e\x07"}, "replaces"),
    ("empty replaces", {"replaces": ""}, "replaces"),
    ("replaces as number", {"replaces": 0}, "replaces"),
    ("replaces itself", {"replaces": "e-1"}, "replaces"),
    ("upper-case tenant", {"tenant": "Acme"}, "tenant"),
    ("tenant starting with a hyphen", {"tenant": "-acme"}, "tenant"),
    ("long tenant", {"tenant": "a" * 64}, "tenant"),
    ("tenant and new line", {"tenant": "acme\n"}, "tenant"),
    ("empty subject", {"subject": ""}, "subject"),
    ("long subject", {"subject": "P" * 129}, "subject"),
    ("space in subject", {"subject": "Ann Lee"}, "subject"),
    ("non-ASCII digits in subject", {"subject": "P١"}, "subject"),
    ("half a surrogate pair", {"id": "e\ud800"}, "id"),
    ("naive time", {"time": "2026-03-02T16:20:00"}, "time"),
    ("numeric time", {"time": 1772468400}, "time"),
    ("early time", {"time": "1999-12-31T23:59:59Z"}, "time"),
    ("integer beyond 64 bits", {"trace": [{"a": 2**63}]}, "An extension"),
    ("negative integer beyond 64 bits", {"trace": -(2**63) - 1}, "An extension"),
    ("infinite number", {"trace": float("inf")}, "An extension"),
]


@pytest.mark.parametrize(("attributes", "field"), [case[1:] for case in ENVELOPES], ids=[case[0] for case in ENVELOPES])
def test_an_envelope_that_breaks_the_contract(attributes: Json, field: str) -> None:
    error = refused(an_event(**attributes))
    assert error.reason == "invalid_envelope"
    assert error.message.startswith(field)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "tenant", "subject", "time"])
def test_an_attribute_that_is_missing(name: str) -> None:
    error = refused(without(an_event(), name))
    assert (error.reason, error.message) == ("invalid_envelope", f"{name}: is required and missing; add it.")


def test_the_longest_ids_are_taken() -> None:
    event = accepted(an_event(tenant="a" * 63, subject="P" * 128, id="ü" * 500, replaces="e-0"))
    assert (len(event.tenant), len(event.subject), event.replaces) == (63, 128, "e-0")


def test_unknown_extensions_are_ignored() -> None:
    extensions: Json = {
        "traceparent": "00-ab",
        "n": [2**63 - 1, -(2**63), 1.5, True, None, {"deep": {}}],
        "datacontenttype": "application/json",
    }
    assert accepted(an_event(**extensions)) == accepted(an_event())


@pytest.mark.parametrize("obj", [[], [an_event()], "text", 1, None, True])
def test_only_an_object_is_an_event(obj: object) -> None:
    error = refused(obj)
    assert error.reason == "invalid_json"
    assert "one event a line" in error.message


def test_an_unknown_type_is_named_with_the_nearest_one() -> None:
    assert refused(an_event("care.time.loged.v1")).message.endswith("did you mean care.time.logged.v1?")
    other = refused(an_event("~"))
    assert other.reason == "unknown_type"
    assert "care.patient.died.v1" in other.message


def test_checks_come_in_order() -> None:
    def reason(**attributes: object) -> str:
        return refused(an_event() | attributes).reason

    assert reason(type="x", data={}, id="") == "invalid_envelope"
    assert reason(type="x", data={}) == "unknown_type"
    assert reason(time="2020-01-01T00:00:00Z", data={}) == "invalid_data"
    assert reason(time="2020-01-01T00:00:00Z") == "in_future"


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_data_must_be_an_object(data: object) -> None:
    assert refused(an_event() | {"data": data}).reason == "invalid_data"
    assert refused(without(an_event(), "data")).reason == "invalid_data"


DATA: list[tuple[str, str, Json, str]] = [
    ("unknown field", "time.logged", {"minutes": 20}, "data.minutes"),
    ("unknown field that is null", "time.logged", {"minutes": None}, "data.minutes"),
    ("null in a required field", "time.logged", {"activity": None}, "data.activity"),
    ("unknown program", "time.logged", {"program": "XYZ"}, "data.program"),
    ("program as list", "time.logged", {"program": ["CCM"]}, "data.program"),
    ("program of enrolment", "enrollment.started", {"program": "ccm"}, "data.program"),
    ("program of consent", "consent.given", {"program": ""}, "data.program"),
    ("program of revocation", "consent.revoked", {"program": "C"}, "data.program"),
    ("program of plan", "plan.recorded", {"program": "C"}, "data.program"),
    ("program of enrolment's end", "enrollment.ended", {"program": "C"}, "data.program"),
    ("space in practitioner", "time.logged", {"practitioner_id": "dr lee"}, "data.practitioner_id"),
    ("empty performer", "time.logged", {"performer_id": ""}, "data.performer_id"),
    ("long site", "time.logged", {"site_id": "s" * 129}, "data.site_id"),
    ("zero seconds", "time.logged", {"end": AT}, "data.end"),
    ("zero seconds after truncation", "time.logged", {"end": "2026-03-02T10:00:00.999-05:00"}, "data.end"),
    ("backwards", "time.logged", {"end": "2026-03-02T09:59:59-05:00"}, "data.end"),
    ("over 12 hours", "time.logged", {"start": "2026-03-01T22:19:59-05:00"}, "data.end"),
    ("visit over 12 hours", "visit.completed", {"start": "2026-03-01T22:19:59-05:00"}, "data.end"),
    ("visit of zero seconds", "visit.completed", {"end": AT}, "data.end"),
    ("bool as text", "time.logged", {"interactive": "true"}, "data.interactive"),
    ("bool as number", "time.logged", {"interactive": 1}, "data.interactive"),
    ("text as number", "time.logged", {"activity": 5}, "data.activity"),
    ("escape in text", "time.logged", {"activity": "\x1b[2J"}, "data.activity"),
    ("NUL in text", "enrollment.ended", {"reason": "a\x00"}, "data.reason"),
    ("lone carriage return", "enrollment.ended", {"reason": "a\rb"}, "data.reason"),
    ("control in the name of a site", "site.registered", {"name": "\x7f"}, "data.name"),
    ("new line in obtained_by", "consent.given", {"obtained_by": "a\nb"}, "data.obtained_by"),
    ("time source", "time.logged", {"source": "guess"}, "data.source"),
    ("supervision", "time.logged", {"supervision": "remote"}, "data.supervision"),
    ("naive instant", "time.logged", {"start": "2026-03-02T10:00:00"}, "data.start"),
    ("instant as number", "time.logged", {"start": 1772463600}, "data.start"),
    ("year 1999", "stay.recorded", {"start": "1999-12-31T23:59:59Z"}, "data.start"),
    ("unknown zone", "site.registered", {"zone": "America/Springfield"}, "data.zone"),
    ("zone of a file system", "site.registered", {"zone": "posix/UTC"}, "data.zone"),
    ("zone Factory", "site.registered", {"zone": "Factory"}, "data.zone"),
    ("zone in lower case", "site.registered", {"zone": "america/chicago"}, "data.zone"),
    ("pos as number", "site.registered", {"pos": 11}, "data.pos"),
    ("pos of one digit", "site.registered", {"pos": "1"}, "data.pos"),
    ("pos in other digits", "site.registered", {"pos": "١١"}, "data.pos"),
    ("date as instant", "site.registered", {"valid_from": AT}, "data.valid_from"),
    ("30 February", "site.registered", {"valid_from": "2026-02-30"}, "data.valid_from"),
    ("date without hyphens", "condition.recorded", {"onset": "20260202"}, "data.onset"),
    ("date as number", "condition.recorded", {"onset": 20260202}, "data.onset"),
    ("role", "practitioner.registered", {"role": "doctor"}, "data.role"),
    ("employment", "practitioner.registered", {"employment": "friend"}, "data.employment"),
    ("npi of 9 digits", "practitioner.registered", {"npi": "123456789"}, "data.npi"),
    ("npi with a wrong check digit", "practitioner.registered", {"npi": "1234567894"}, "data.npi"),
    ("npi with swapped digits", "practitioner.registered", {"npi": "1243567893"}, "data.npi"),
    ("npi as number", "practitioner.registered", {"npi": 1234567893}, "data.npi"),
    ("track of CPM", "enrollment.started", {"program": "CPM"}, "data.track"),
    ("complex PCM", "enrollment.started", {"program": "PCM"}, "data.track"),
    ("track as number", "enrollment.started", {"track": 1}, "data.track"),
    ("form", "consent.given", {"form": "oral"}, "data.form"),
    ("visit kind", "visit.completed", {"kind": "annual"}, "data.kind"),
    ("modality", "visit.completed", {"modality": "phone"}, "data.modality"),
    ("setting", "visit.completed", {"setting": "office"}, "data.setting"),
    ("em_billed missing its type", "visit.completed", {"em_billed": "no"}, "data.em_billed"),
    ("icd10", "condition.recorded", {"icd10": "diabetes"}, "data.icd10"),
    ("icd10 of two characters", "condition.recorded", {"icd10": "E1"}, "data.icd10"),
    ("icd10 ending in a dot", "condition.recorded", {"icd10": "E11."}, "data.icd10"),
    ("category", "condition.recorded", {"category": "mild"}, "data.category"),
    ("negative months", "condition.recorded", {"expected_months": -1}, "data.expected_months"),
    ("half months", "condition.recorded", {"expected_months": 12.5}, "data.expected_months"),
    ("months as text", "condition.recorded", {"expected_months": "12"}, "data.expected_months"),
    ("months as bool", "condition.recorded", {"expected_months": True}, "data.expected_months"),
    ("months beyond 64 bits", "condition.recorded", {"expected_months": 2**63}, "data.expected_months"),
    ("huge months", "condition.recorded", {"expected_months": 1e30}, "data.expected_months"),
    ("infinite months", "condition.recorded", {"expected_months": float("inf")}, "data.expected_months"),
    ("month 13", "mdm.recorded", {"month": "2026-13"}, "data.month"),
    ("month of one digit", "mdm.recorded", {"month": "2026-3"}, "data.month"),
    ("month in 1999", "mdm.recorded", {"month": "1999-12"}, "data.month"),
    ("level", "mdm.recorded", {"level": "extreme"}, "data.level"),
    ("device of CCM", "device.set_up", {"program": "CCM"}, "data.program"),
    ("kind of the other program", "device.set_up", {"program": "RPM"}, "data.kind"),
    ("reading of the other kind", "device.reading", {"kind": "cbt"}, "data.kind"),
    ("reading of BHI", "device.reading", {"program": "BHI"}, "data.program"),
    ("stay kind", "stay.recorded", {"kind": "home"}, "data.kind"),
    ("stay ending before it starts", "stay.recorded", {"end": "2026-03-02T09:59:59-05:00"}, "data.end"),
    ("close before the month is over", "month.closed", {"month": "2026-03"}, "data.at"),
    ("close a second early", "month.closed", {"at": "2026-02-28T23:59:59Z"}, "data.at"),
    ("retraction of itself", "event.retracted", {"id": "e-1", "source": "/ehr/north"}, "data.id"),
    ("retraction of itself by default", "event.retracted", {"id": "e-1", "source": None}, "data.id"),
    ("retraction of nothing", "event.retracted", {"id": ""}, "data.id"),
    ("control in a retracted id", "event.retracted", {"id": "e\x1b"}, "data.id"),
    ("control in a retracted source", "event.retracted", {"source": "e\n"}, "data.source"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "field"), [case[1:] for case in DATA], ids=[case[0] for case in DATA])
def test_data_that_breaks_the_contract(kind: str, data: Json, field: str) -> None:
    error = refused(an_event(f"care.{kind}.v1", data))
    assert error.reason == "invalid_data"
    assert error.message.startswith(f"{field}: ")
    assert error.message.endswith(".")


GOOD: list[tuple[str, str, Json]] = [
    ("exactly 12 hours", "time.logged", {"start": "2026-03-01T22:20:00-05:00"}),
    ("one second", "time.logged", {"end": "2026-03-02T10:00:01-05:00"}),
    ("one second after truncation", "time.logged", {"start": "2026-03-02T10:00:00.999-05:00", "end": "2026-03-02T10:00:01.001-05:00"}),
    ("empty stay", "stay.recorded", {"end": AT}),
    ("long stay", "stay.recorded", {"start": "2000-01-01T00:00:00Z"}),
    ("lines of text", "enrollment.ended", {"reason": "one\ntwo\r\n\tthree — é 😀"}),
    ("early onset", "condition.recorded", {"onset": "0001-01-01"}),
    ("onset after the event", "condition.recorded", {"onset": "2027-01-01"}),
    ("no months", "condition.recorded", {"expected_months": 0}),
    ("most months", "condition.recorded", {"expected_months": 2**63 - 1}),
    ("icd10 without dot", "condition.recorded", {"icd10": "m5450"}),
    ("icd10 of three characters", "condition.recorded", {"icd10": "I10"}),
    ("icd10 of seven characters", "condition.recorded", {"icd10": "S72.001A"}),
    ("linked zone", "site.registered", {"zone": "US/Central"}),
    ("UTC", "site.registered", {"zone": "UTC"}),
    ("future version", "site.registered", {"valid_from": "2030-01-01"}),
    ("PCM practitioner", "enrollment.started", {"program": "PCM", "track": "practitioner"}),
    ("close at the very end", "month.closed", {"at": "2026-03-01T00:00:00Z"}),
    ("close of December", "month.closed", {"month": "2025-12", "at": "2026-01-01T00:00:00Z"}),
    ("same id of another source", "event.retracted", {"id": "e-1"}),
    ("five minutes of clock skew", "patient.died", {"at": "2026-03-02T16:25:00.9Z"}),
]


@pytest.mark.parametrize(("kind", "data"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_data_at_the_edge_of_the_contract(kind: str, data: Json) -> None:
    accepted(an_event(f"care.{kind}.v1", data))


def test_a_close_is_about_its_tenant() -> None:
    error = refused(an_event("care.month.closed.v1", subject="north"))
    assert (error.reason, error.message[:8]) == ("invalid_data", "subject:")


def test_a_retraction_reaches_its_own_source_by_default() -> None:
    data = accepted(an_event("care.event.retracted.v1", {"source": None})).data
    assert isinstance(data, EventRetracted)
    assert data.source == "/ehr/north"


@pytest.mark.parametrize("program", ["CPM", "RPM", "RTM", "BHI"])
def test_programs_without_tracks_have_none(program: str) -> None:
    event = accepted(an_event("care.enrollment.started.v1", {"program": program, "track": None}))
    assert event.data.model_dump()["track"] is None


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("care.patient.died.v1", {"at": "2026-03-02T16:25:01Z"}, "data.at"),
        ("care.time.logged.v1", {"end": "2026-03-02T16:25:01Z"}, "data.end"),
        ("care.stay.recorded.v1", {"start": "2026-03-02T16:25:01Z", "end": None}, "data.start"),
        ("care.stay.recorded.v1", {"end": "2026-03-05T00:00:00Z"}, "data.end"),
        ("care.month.closed.v1", {"at": "2026-04-01T00:00:00Z"}, "data.at"),
    ],
)
def test_nothing_happens_after_it_was_recorded(kind: str, data: Json, field: str) -> None:
    error = refused(an_event(kind, data))
    assert (error.reason, error.message[: len(field)]) == ("in_future", field)


def test_a_new_family_needs_no_code() -> None:
    words = Vocabulary(frozenset({"ABC"}), {"ABC": frozenset({"solo"})}, {"ABC": frozenset({"patch"})})
    started = an_event("care.enrollment.started.v1", {"program": "ABC", "track": "solo"})
    assert validate(started, words).data.model_dump()["track"] == "solo"
    validate(an_event("care.device.reading.v1", {"program": "ABC", "kind": "patch"}), words)
    with pytest.raises(Invalid, match=r"data\.program: must be ABC; choose"):
        validate(an_event(), words)
    with pytest.raises(Invalid, match=r"data\.track: must be solo for this program"):
        validate(an_event("care.enrollment.started.v1", {"program": "ABC", "track": None}), words)


def test_the_name_of_an_unknown_field_may_be_health_data() -> None:
    assert "Ann Lee" not in refused(an_event(data={"Ann Lee has asthma": 1})).message
    assert refused(an_event(data={"note_1": 1})).message == "data.note_1: is not a field of this event type; remove it or correct its name."


def test_data_does_not_change_afterwards() -> None:
    data = accepted(an_event("care.site.registered.v1")).data
    assert isinstance(data, SiteRegistered)
    with pytest.raises(ValueError, match="frozen"):
        data.name = "South"  # type: ignore[misc]


def test_an_absent_supervision_is_general() -> None:
    data = accepted(an_event(data={"supervision": None})).data
    assert isinstance(data, TimeLogged)
    assert data.supervision == "general"
