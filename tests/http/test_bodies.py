"""What counts as one event in a request, by its media type and headers."""

import json
from base64 import b64encode

import pytest

from domain.events import Invalid
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.codec import decode
from streams.http.bodies import BATCH, EVENT, JSON, LINES, events_in
from streams.http.problems import Problem
from tests.http.care import entry, raw

ONE = entry("e-1", "P-1", "2026-03-02T10:00:00-06:00", "2026-03-02T10:20:00-06:00")


def of(body: bytes, kind: str, *headers: tuple[str, str], most: int = 10) -> list[bytes]:
    return events_in(body, [("content-type", kind), *headers], most)


@pytest.mark.parametrize("kind", [JSON, EVENT, BATCH, "application/json; charset=UTF-8", "Application/JSON"])
def test_an_object_is_one_event_and_an_array_is_as_many_as_it_has(kind: str) -> None:
    assert of(b'\xef\xbb\xbf {"a": 1}\r\n', kind) == [b'{"a": 1}']
    assert of(b'[{"a": 1}, {"b":2}]', kind) == [b'{"a": 1}', b'{"b":2}']
    assert of(b"[]", kind) == []


def test_lines_are_events_and_blank_ones_are_none() -> None:
    assert of(b'{"a":1}\r\n\n  \n{"b":2}', LINES) == [b'{"a":1}', b'{"b":2}']
    with pytest.raises(Problem) as refused:
        of(b"1\n2\n3", LINES, most=2)
    assert refused.value.status == 413


def test_an_array_that_is_none_is_one_event() -> None:
    assert of(b'[{"a":1},{"b":2}', JSON) == [b'[{"a":1},{"b":2}']


def test_who_names_no_media_type_sends_json() -> None:
    assert events_in(b'{"a":1}', [], 10) == [b'{"a":1}']


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data"])
def test_other_media_types_are_refused(kind: str) -> None:
    with pytest.raises(Problem, match="content type must be") as refused:
        of(b"{}", kind)
    assert refused.value.status == 415


@pytest.mark.parametrize("body", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_body_is_no_event(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        of(body, JSON)
    assert refused.value.status == 400


def headers_of(event: dict[str, object]) -> list[tuple[str, str]]:
    return [(f"ce-{name}", str(value).replace("%", "%25")) for name, value in event.items() if name != "data"]


def test_attributes_may_come_as_headers() -> None:
    (built,) = of(raw(ONE["data"]), JSON, *headers_of(ONE), ("ce-note", "caf%C3%A9"), ("accept", "*/*"))
    assert json.loads(built) == {**ONE, "note": "café", "datacontenttype": JSON}
    assert decode(built, DEFAULT_VOCABULARY) == decode(raw(ONE), DEFAULT_VOCABULARY)


@pytest.mark.parametrize("body", [b'{},"tenant":"other"', b"{} {}", b"", b"not json", b"\xff"])
def test_what_is_no_json_value_cannot_become_attributes(body: bytes) -> None:
    (built,) = of(body, JSON, *headers_of(ONE))
    parsed = json.loads(built)
    assert parsed["tenant"] == "acme"
    assert parsed["data_base64"] == b64encode(body).decode()
    with pytest.raises(Invalid, match="data: must be an object"):
        decode(built, DEFAULT_VOCABULARY)


def test_a_header_twice_is_a_key_twice() -> None:
    (built,) = of(raw(ONE["data"]), JSON, *headers_of(ONE), ("ce-tenant", "other"))
    with pytest.raises(Invalid, match="key tenant twice"):
        decode(built, DEFAULT_VOCABULARY)
