"""Events as a broker would hand them over."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.events import Event
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.arrivals import Arrival, Parked
from streams.codec import STRUCTURED, Header, receive
from tests.domain.event_examples import an_event

KEY = b"acme/P-1001"
STRUCTURED_TYPE: Header = ("content-type", STRUCTURED.encode())


class Delivered(NamedTuple):
    """A message of one partition."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    origin: str = "care.time-log/3/1234"


def structured(obj: dict[str, Any], key: bytes | None = KEY) -> Delivered:
    return Delivered(key, json.dumps(obj).encode(), [STRUCTURED_TYPE])


def binary(obj: dict[str, Any], key: bytes | None = KEY) -> Delivered:
    """The event in binary mode: attributes as headers, numbers and truth values as CloudEvents writes them."""
    attributes = {name: value for name, value in obj.items() if name not in ("data", "datacontenttype")}
    headers: list[Header] = [(f"ce_{name}", _text(value)) for name, value in attributes.items()]
    return Delivered(key, json.dumps(obj["data"]).encode(), [("content-type", b"application/json"), *headers])


def _text(value: object) -> bytes | None:
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def taken(message: Delivered) -> Event:
    got = receive(message, DEFAULT_VOCABULARY)
    assert isinstance(got, Arrival), got.message
    return got.event


def parked(message: Delivered) -> Parked:
    got = receive(message, DEFAULT_VOCABULARY)
    assert isinstance(got, Parked)
    return got


GOOD = binary(an_event())
