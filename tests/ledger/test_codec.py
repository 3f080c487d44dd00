"""Bytes become events or reasons (docs/contract.md §1, bad input)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Event, Invalid
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.codec import LARGEST, decode

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/ehr/north",
    "type": "care.patient.died.v1",
    "tenant": "acme",
    "subject": "P-1001",
    "time": "2026-03-02T16:20:00Z",
    "data": {"at": "2026-03-02T10:00:00-05:00"},
}
LINE = json.dumps(GOOD).encode()


def accepted(raw: bytes) -> Event:
    return decode(raw, DEFAULT_VOCABULARY)


def refused(raw: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        accepted(raw)
    return caught.value


def outcome(raw: bytes) -> Event | Invalid:
    try:
        return accepted(raw)
    except Invalid as error:
        return error


def with_id(text: bytes) -> bytes:
    """The good event with other JSON text as its id."""
    return LINE.replace(b'"e-1"', text)


def test_a_line_becomes_an_event() -> None:
    event = accepted(LINE)
    assert (event.tenant, event.identity, event.time) == ("acme", "/ehr/north\te-1", 1772468400)
    assert accepted(b" \t" + json.dumps(GOOD, indent=2).encode() + b"\r\n") == event


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "ends in the middle"),
        (LINE[:-1], "ends in the middle"),
        (b"hello", "is not JSON"),
        (b"{'id':1}", "is not JSON"),
        (LINE + LINE, "goes on after its end"),
        (LINE.decode().encode("utf-16"), "is not UTF-8"),
        (with_id(b'"e\xff"'), "is not UTF-8"),
        (with_id(b'"e\xed\xa0\x80"'), "is not UTF-8"),
        (with_id(b'"e\xc0\xaf"'), "is not UTF-8"),
        (with_id(rb'"e\ud800"'), "half of a surrogate pair"),
        (with_id(rb'"e\ud800\u0041"'), "half of a surrogate pair"),
        (with_id(rb'"e\udc00"'), "half of a surrogate pair"),
        (with_id(b'"e\x00"'), "control character"),
        (with_id(b"NaN"), "is not JSON"),
        (with_id(b"-Infinity"), "is not JSON"),
        (with_id(b"9" * 5000), "too many digits"),
        (with_id(b"01"), "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" + LINE + b"]", "one event a line"),
        (b'"text"', "one event a line"),
        (b"null", "one event a line"),
        (LINE[:-1] + b',"id":"e-1"}', "the key id twice at line 1, column"),
        (LINE.replace(b'"at"', b'"at":1,"at"'), "the key at twice"),
        (LINE.replace(b'"at"', rb'"at":1,"\u0061t"'), "the key at twice"),
        (b'{"Ann has\nasthma":1,"Ann has\nasthma":2}'.replace(b"\n", rb"\n"), "(a name that is not shown) twice"),
    ],
)
def test_what_is_not_json(raw: bytes, sentence: str) -> None:
    error = refused(raw)
    assert error.reason == "invalid_json"
    assert sentence in error.message
    assert "Ann" not in error.message


def test_the_position_of_a_fault_is_named() -> None:
    assert refused(b'{"id":\n  x}').message == "The event at line 2, column 3 is not JSON as RFC 8259 has it; correct it."


def test_an_event_may_have_one_mebibyte() -> None:
    assert accepted(LINE.ljust(LARGEST)) == accepted(LINE)
    error = refused(LINE.ljust(LARGEST + 1))
    assert (error.reason, "1 MiB" in error.message) == ("too_large", True)
    assert refused(b"\xff" * 5_000_000).reason == "too_large"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (with_id(rb'"e\u0000"'), "invalid_envelope"),
        (with_id(rb'"e\u001b[31m"'), "invalid_envelope"),
        (with_id(b"9" * 30), "invalid_envelope"),
        (LINE[:-1] + b',"n":18446744073709551616}', "invalid_envelope"),
        (LINE[:-1] + b',"n":1e999}', "invalid_envelope"),
        (LINE.replace(b'"at"', b'"n":18446744073709551616,"at"'), "invalid_data"),
        (LINE.replace(b'"at"', b'"n":1e999,"at"'), "invalid_data"),
        (LINE.replace(b"died", b"healed"), "unknown_type"),
        (LINE.replace(b"T10:00:00-05:00", b"T20:00:00-05:00"), "in_future"),
    ],
)
def test_json_that_is_no_event_has_the_reason_of_its_rule(raw: bytes, reason: str) -> None:
    assert refused(raw).reason == reason


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert accepted(with_id(rb'"\ud83d\ude00"')).id == "😀"


@given(st.binary() | st.text().map(str.encode) | st.builds(lambda at, junk: LINE[:at] + junk, st.integers(0, len(LINE) - 1), st.binary()))
def test_bytes_raise_nothing_but_invalid(raw: bytes) -> None:
    error = outcome(raw)
    if isinstance(error, Invalid):
        assert error.reason in {"invalid_json", "invalid_envelope", "unknown_type", "invalid_data", "in_future"}
        assert len(error.message) < 800


@given(st.integers(0, len(LINE) - 1), st.binary(max_size=3))
def test_a_damaged_line_raises_nothing_but_invalid(at: int, junk: bytes) -> None:
    error = outcome(LINE[:at] + junk + LINE[at + 1 :])
    if isinstance(error, Invalid):
        assert error.message.endswith((".", "?"))
