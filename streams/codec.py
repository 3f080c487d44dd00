"""CloudEvents in Kafka's messages: what comes in becomes the bytes that the ledger takes, what goes out a message.

A message is structured (the value is the whole event) or binary (the value is `data`, the attributes are headers that begin
with `ce_`). A binary one is put together to the structured form first, so that the ledger keeps, parks and retries one form.
Functions here are pure and raise nothing on account of a message.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson

from domain.events import Event, Invalid, digest
from domain.vocabulary import Vocabulary
from ledger.arrivals import Arrival, Parked, letter_id, tenant_of
from ledger.codec import decode, parse
from streams.topics import DEAD_LETTERS, LARGEST_BATCH, RECORD, REGISTRY, RETRACTED, TOPIC_OF, Layout, keys_of, patient_key

Header = tuple[str, bytes | None]

STRUCTURED: Final = "application/cloudevents+json"
_CLOUDEVENTS: Final = "application/cloudevents"
_PREFIX: Final = "ce_"
_TYPE: Final = "content-type"


class Received(Protocol):
    """A message as it was read from a partition; `origin` says where it stands, as dead letters name it."""

    @property
    def origin(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[Header]: ...


class Message(NamedTuple):
    """A message to send."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Unpacked(NamedTuple):
    """The structured form of a message, and what is wrong with the message itself, if anything."""

    raw: bytes
    fault: Invalid | None = None


def receive(message: Received, vocabulary: Vocabulary) -> Arrival | Parked:
    """The event of a message, or why it is to be parked.

    Reasons beside those of docs/contract.md §1.7: `tombstone` (no value) and `wrong_key`.
    """
    raw, fault = unpacked(message.value, message.headers)
    try:
        event = _sound(raw, fault, vocabulary)
        _check_key(message.key, event)
    except Invalid as refusal:
        return Parked(refusal.reason, refusal.message, message.origin, raw, tenant_of(raw))
    return Arrival(event, raw, digest(event), message.origin)


def _sound(raw: bytes, fault: Invalid | None, vocabulary: Vocabulary) -> Event:
    if fault is not None:
        raise fault
    return decode(raw, vocabulary)


def unpacked(value: bytes | None, headers: Sequence[Header]) -> Unpacked:
    """The event's bytes in a message of either mode; whether they hold an event is for the ledger's codec to say.

    The mode is told by the content type (CloudEvents' Kafka binding §3); without one, and without `ce_` headers, it is structured.
    """
    if value is None:
        return Unpacked(b"", Invalid("tombstone", _TOMBSTONE))
    if tuple(headers) == _STRUCTURED_HEADERS:
        return Unpacked(value)
    found = _unpacked(value, headers)
    if found.fault is None and not all(name.isascii() or _is_text(name) for name, _ in headers):
        return found._replace(fault=Invalid("invalid_envelope", _HEADER))
    return found


def _unpacked(value: bytes, headers: Sequence[Header]) -> Unpacked:
    content_type = _content_type(headers)
    if content_type.startswith(_CLOUDEVENTS):
        return Unpacked(value, None if content_type == STRUCTURED else Invalid("invalid_envelope", _FORMAT))
    if any(name.startswith(_PREFIX) for name, _ in headers):
        return _assembled(value, headers)
    return Unpacked(value)


def _assembled(value: bytes, headers: Sequence[Header]) -> Unpacked:
    """The structured form of a binary message: attributes in the order of their headers, then `data` byte for byte.

    Nothing is lost where it is broken: what is twice stays twice and what is not UTF-8 stays so, and both are then refused as
    JSON. A value that is not JSON by itself stands in `data_base64`, so that it cannot bring attributes of its own.
    """
    attributes = [(_attribute(name), text) for name, text in headers if name.startswith(_PREFIX) or name.lower() == _TYPE]
    members = [_quoted(name) + b":" + (b"null" if text is None else _quoted(text)) for name, text in attributes]
    no_json = _fault_of_json(value)
    data = b'"data":' + value if no_json is None else b'"data_base64":"' + b64encode(value) + b'"'
    return Unpacked(b"{" + b",".join([*members, data]) + b"}", _fault_of_attributes(attributes) or no_json)


def _attribute(header: str) -> bytes:
    name = header.removeprefix(_PREFIX) if header.startswith(_PREFIX) else "datacontenttype"
    return name.encode("utf-8", "surrogateescape")


def _is_text(name: str) -> bool:
    """Whether the name of a header is UTF-8; what is not has come as lone surrogates (streams/lenient.py)."""
    return _is_utf8(name.encode("utf-8", "surrogateescape"))


def _quoted(text: bytes) -> bytes:
    """A JSON string; of bytes that are not UTF-8 one that is not either, since no other keeps them."""
    if _is_utf8(text):
        return orjson.dumps(text.decode())
    return b'"' + text.replace(b"\\", rb"\\").replace(b'"', rb"\"") + b'"'


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault_of_json(value: bytes) -> Invalid | None:
    try:
        parse(value)
    except Invalid as refusal:
        return refusal
    return None


def _fault_of_attributes(attributes: Sequence[tuple[bytes, bytes | None]]) -> Invalid | None:
    """What no structured event could say of itself."""
    names = {name for name, _ in attributes}
    if len(attributes) != len(names):
        return Invalid("invalid_envelope", "A header of the event stands twice; send each attribute once.")
    if b"data" in names:
        return Invalid("invalid_envelope", "The header ce_data is no attribute; send the data as the value of the message.")
    if not all(_is_utf8(name) and _is_utf8(text or b"") for name, text in attributes):
        return Invalid("invalid_envelope", "A header of the event is not UTF-8; convert it to UTF-8.")
    return None


def _content_type(headers: Iterable[Header]) -> str:
    """The media type without parameters, in lower case; the empty text where there is none."""
    found = [text for name, text in headers if name.lower() == _TYPE and text is not None]
    return found[0].partition(b";")[0].strip().lower().decode("ascii", "replace") if found else ""


def _check_key(key: bytes | None, event: Event) -> None:
    wanted = keys_of(event)
    if key not in wanted:
        form = "tenant" if b"/" not in wanted[0] else "tenant/subject"
        given = "has none" if key is None else "has another"
        raise Invalid("wrong_key", f"The key of a message with this event must be {form} in UTF-8, and the message {given}; {_REKEY}.")


_REKEY: Final = "send it again under that key, with the same id"
_TOMBSTONE: Final = "The message has a key and no value; nothing is deleted here: to take an event back, send care.event.retracted.v1."
_HEADER: Final = "The name of a header is not UTF-8, which Kafka asks of it; correct the producer and send the event again."
_FORMAT: Final = "content-type: names a format of CloudEvents that is not taken; send one event a message as application/cloudevents+json."


def submitted(event: Event, raw: bytes, layout: Layout) -> Message:
    """The message by which an event goes to its topic. A retraction goes to the registry where its subject is the tenant itself."""
    registry = event.type == RETRACTED and event.subject == event.tenant
    topic = REGISTRY if registry else TOPIC_OF.get(event.type, RECORD)
    key = event.tenant.encode() if registry else keys_of(event)[0]
    return Message(layout.name(topic), key, raw, _STRUCTURED_HEADERS)


def decision(sequence: int, raw: bytes, layout: Layout) -> Message | None:
    """The message of a row of the outbox; None for a type that is not sent. The same row gives the same bytes."""
    event: dict[str, Any] = orjson.loads(raw)
    topic = TOPIC_OF.get(event["type"])
    if topic is None:
        return None
    value = raw[:-1] + b',"sequence":%d}' % sequence
    return Message(layout.name(topic), _key_of_decision(event), value, _STRUCTURED_HEADERS)


def _key_of_decision(event: Mapping[str, Any]) -> bytes:
    """What is about no patient, such as the close of a month that was to be taken back, is the tenant's."""
    tenant: str = event["tenant"]
    patient = event["data"].get("patient_id")
    return tenant.encode() if patient is None else patient_key(tenant, patient)


def dead_letter(parked: Parked, layout: Layout) -> Message:
    """The message of parked input: its bytes, and in headers why and where from; keyed by tenant where that is known.

    Of a binary message the bytes are its structured form, so that its attributes are not lost. Of what no topic would take the beginning is
    sent, with `dlq_truncated` saying how many bytes there are; the ledger has them all.
    """
    headers = {
        "dlq_id": letter_id(parked.origin, parked.raw),
        "dlq_reason": parked.reason,
        "dlq_message": parked.message,
        "dlq_origin": parked.origin,
    }
    if parked.tenant is not None:
        headers["dlq_tenant"] = parked.tenant
    if len(parked.raw) > _LONGEST:
        headers["dlq_truncated"] = str(len(parked.raw))
    key = None if parked.tenant is None else parked.tenant.encode()
    encoded = tuple((name, text.encode("utf-8", "surrogateescape")) for name, text in headers.items())
    return Message(layout.name(DEAD_LETTERS), key, parked.raw[:_LONGEST], encoded)


_LONGEST: Final = LARGEST_BATCH - 65_536
"""Bytes of parked input in one message, with room for its headers: what a file or a body holds may be longer, and base64 makes longer."""
_STRUCTURED_HEADERS: Final = ((_TYPE, STRUCTURED.encode()),)
