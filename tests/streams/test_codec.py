"""Messages become events or dead letters, and decisions messages (docs/contract.md §1, §5)."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import EVENT_TYPES
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.arrivals import Arrival, Parked, letter_id
from ledger.codec import LARGEST, decode
from streams.codec import dead_letter, decision, receive, submitted, unpacked
from streams.topics import Layout
from tests.domain.event_examples import EXAMPLES, OPTIONAL, an_event
from tests.streams.messages import GOOD, KEY, STRUCTURED_TYPE, Delivered, binary, parked, structured, taken

REGISTRY = ("care.site.registered.v1", "care.practitioner.registered.v1", "care.month.closed.v1")
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


def key_of(kind: str) -> bytes:
    return b"acme" if kind in REGISTRY else KEY


@pytest.mark.parametrize("kind", EXAMPLES)
def test_both_modes_carry_the_same_event(kind: str) -> None:
    for data in ({}, OPTIONAL.get(kind, {})):
        event = an_event(kind, data, replaces="e-0", traceparent="00-1-2-01")
        assert taken(binary(event, key_of(kind))) == taken(structured(event, key_of(kind)))


@given(
    st.builds(
        lambda attributes, extensions: extensions | an_event(**attributes),
        st.fixed_dictionaries({"id": NAMES, "source": NAMES}, optional={"replaces": st.none() | NAMES}),
        st.dictionaries(st.from_regex(r"x[a-z0-9]{0,18}", fullmatch=True), st.text() | st.integers(-5, 5) | st.booleans() | st.none()),
    )
)
def test_any_attributes_come_through_binary_mode(event: dict[str, Any]) -> None:
    one, other = (receive(mode(event), DEFAULT_VOCABULARY) for mode in (structured, binary))
    if isinstance(one, Arrival):
        assert isinstance(other, Arrival)
        assert (one.event, one.digest) == (other.event, other.digest)
        assert decode(other.raw, DEFAULT_VOCABULARY) == one.event
    else:
        assert isinstance(other, Parked)
        assert one[:3] == other[:3]


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_id", "ce_type", "ce_data", "ce_datacontenttype", "ce_", "other"]) | st.text(),
        st.none() | st.binary(),
    )
)


@given(st.none() | st.binary(), st.none() | st.binary() | st.just(GOOD.value), HEADERS | HEADERS.map(lambda more: [*GOOD.headers, *more]))
def test_nothing_is_raised_and_what_is_parked_is_never_a_sound_event(key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
    got = receive(Delivered(key, value, headers), DEFAULT_VOCABULARY)
    if isinstance(got, Parked):
        assert got.message.endswith(".")
        assert "P-1001" not in got.message
    if isinstance(got, Parked) and got.reason != "wrong_key" and value is not None:
        again = receive(Delivered(key, got.raw, [STRUCTURED_TYPE]), DEFAULT_VOCABULARY)
        assert isinstance(again, Parked)


def test_without_a_content_type_a_value_is_structured() -> None:
    event = json.dumps(an_event()).encode()
    assert taken(Delivered(KEY, event)) == taken(Delivered(KEY, event, [("content-type", b"Application/CloudEvents+JSON; charset=utf-8")]))


def test_headers_beside_a_structured_event_say_nothing() -> None:
    event = structured(an_event())
    assert taken(event._replace(headers=[*event.headers, ("ce_id", b"other"), ("ce_id", b"twice")])).id == "e-1"


@pytest.mark.parametrize(
    ("message", "reason", "sentence"),
    [
        (Delivered(KEY, None), "tombstone", "care.event.retracted.v1"),
        (GOOD._replace(value=None), "tombstone", "nothing is deleted"),
        (Delivered(KEY, b""), "invalid_json", "ends in the middle"),
        (GOOD._replace(key=None), "wrong_key", "must be tenant/subject in UTF-8, and the message has none"),
        (GOOD._replace(key=b"acme"), "wrong_key", "has another"),
        (GOOD._replace(key=b"acme/P-1002"), "wrong_key", "with the same id"),
        (GOOD._replace(key=b"\xff"), "wrong_key", "has another"),
        (structured(an_event("care.site.registered.v1")), "wrong_key", "must be tenant in UTF-8"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_id", b"e-1")]), "invalid_envelope", "stands twice"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_datacontenttype", b"application/json")]), "invalid_envelope", "stands twice"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_data", b"{}")]), "invalid_envelope", "ce_data is no attribute"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_note", b'"\\\xff')]), "invalid_envelope", "not UTF-8"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_\udcff", b"x")]), "invalid_envelope", "not UTF-8"),
        (GOOD._replace(headers=[*GOOD.headers, ("trace\udcff", b"x")]), "invalid_envelope", "name of a header is not UTF-8"),
        (structured(an_event())._replace(headers=[("\udcff", b"x")]), "invalid_envelope", "name of a header is not UTF-8"),
        (GOOD._replace(headers=[h for h in GOOD.headers if h[0] != "ce_tenant"]), "invalid_envelope", "tenant: is required"),
        (GOOD._replace(headers=[*GOOD.headers, ("ce_replaces", b"")]), "invalid_envelope", "replaces: must have"),
        (GOOD._replace(value=b"not JSON"), "invalid_json", "is not JSON"),
        (GOOD._replace(value=b"\xff\xfe"), "invalid_json", "not UTF-8"),
        (GOOD._replace(value=b'{"at":1,"at":1}'), "invalid_json", "the key at twice"),
        (GOOD._replace(value=b"[]"), "invalid_data", "data: must be an object"),
        (GOOD._replace(value=b" " * LARGEST + b"{}"), "too_large", "1 MiB"),
        (GOOD._replace(value=(GOOD.value or b"").ljust(LARGEST)), "too_large", "1 MiB"),
        (Delivered(KEY, b"[]", [("content-type", b"application/cloudevents-batch+json")]), "invalid_envelope", "one event a message"),
        (Delivered(KEY, b"\x00", [("content-type", b"application/cloudevents+avro")]), "invalid_envelope", "content-type: names a format"),
    ],
)
def test_what_cannot_be_taken_has_its_reason(message: Delivered, reason: str, sentence: str) -> None:
    letter = parked(message)
    assert letter.reason == reason
    assert sentence in letter.message
    assert letter.origin == message.origin


def test_a_value_cannot_bring_attributes_of_its_own_not_even_by_a_retry() -> None:
    letter = parked(GOOD._replace(value=(GOOD.value or b"") + b',"replaces":"e-0"'))
    assert letter.reason == "invalid_json"
    assert parked(Delivered(KEY, letter.raw)).reason == "invalid_data"
    assert base64.b64decode(json.loads(letter.raw)["data_base64"]).endswith(b',"replaces":"e-0"')


def test_an_event_of_one_mebibyte_is_taken_in_either_mode() -> None:
    event = structured(an_event())
    assert taken(event._replace(value=(event.value or b"").ljust(LARGEST))).id == "e-1"
    size = len(unpacked(GOOD.value, GOOD.headers).raw)
    assert taken(GOOD._replace(value=(GOOD.value or b"") + b" " * (LARGEST - size))).id == "e-1"


def test_a_wrong_key_is_parked_with_an_event_that_a_retry_takes() -> None:
    letter = parked(GOOD._replace(key=b"acme/P-1"))
    assert letter.tenant == "acme"
    assert decode(letter.raw, DEFAULT_VOCABULARY) == taken(GOOD)


def test_a_retraction_may_be_keyed_as_its_target_was() -> None:
    retraction = an_event("care.event.retracted.v1")
    assert taken(structured(retraction, KEY)) == taken(structured(retraction, b"acme"))
    assert parked(structured(retraction, b"acme/P-2")).reason == "wrong_key"


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_is_submitted_is_received(kind: str) -> None:
    raw = json.dumps(an_event(kind)).encode()
    event = decode(raw, DEFAULT_VOCABULARY)
    message = submitted(event, raw, Layout(prefix="dev."))
    assert taken(Delivered(message.key, message.value, message.headers)) == event
    assert message.topic.startswith("dev.care.")


def test_a_retraction_about_the_tenant_goes_to_the_registry() -> None:
    raw = json.dumps(an_event("care.event.retracted.v1", subject="acme")).encode()
    message = submitted(decode(raw, DEFAULT_VOCABULARY), raw, Layout())
    assert (message.topic, message.key) == ("care.registry", b"acme")


def a_decision(kind: str, /, **data: object) -> bytes:
    return json.dumps({"id": "1", "type": kind, "tenant": "acme", "subject": "x", "data": data}).encode()


def test_decisions_go_to_their_topics_with_their_position() -> None:
    layout = Layout(prefix="dev.")
    line = a_decision("billing.line.ready.v1", patient_id="P-1001")
    message = decision(7, line, layout)
    assert message is not None
    assert (message.topic, message.key, message.headers) == ("dev.billing.lines", KEY, (("content-type", b"application/cloudevents+json"),))
    assert json.loads(message.value) == {**json.loads(line), "sequence": 7}
    assert decision(7, line, layout) == message


def test_an_alert_about_a_close_is_the_tenants() -> None:
    message = decision(1, a_decision("care.alert.raised.v1", kind="close_stands"), Layout())
    assert message is not None
    assert (message.topic, message.key) == ("care.alerts", b"acme")


def test_progress_is_not_sent() -> None:
    assert decision(1, a_decision("care.month.progressed.v1", patient_id="P-1001"), Layout()) is None


def test_a_dead_letter_names_why_and_where_from() -> None:
    letter = parked(GOOD._replace(key=None))
    message = dead_letter(letter, Layout(prefix="dev."))
    assert (message.topic, message.key, message.value) == ("dev.care.dead-letters", b"acme", letter.raw)
    assert {name: text.decode() for name, text in message.headers} == {
        "dlq_id": letter_id(letter.origin, letter.raw),
        "dlq_reason": "wrong_key",
        "dlq_message": letter.message,
        "dlq_origin": "care.time-log/3/1234",
        "dlq_tenant": "acme",
    }


def test_a_dead_letter_of_nobody_has_no_key() -> None:
    message = dead_letter(parked(Delivered(None, b"junk")), Layout())
    assert (message.key, message.value) == (None, b"junk")
    assert "dlq_tenant" not in dict(message.headers)
