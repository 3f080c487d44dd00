"""Events at the edge: from parsed JSON to an event that keeps docs/contract.md §1, or to the reason why not.

event = validate({"specversion": "1.0", ...}, vocabulary)
content = digest(event)
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from domain.envelope import Envelope, read_envelope
from domain.event import Event, identity_of
from domain.event_checks import CHECKS, Check
from domain.event_errors import Invalid, refusal
from domain.event_types import EVENT_TYPES, Fact
from domain.upcasting import UPCASTS, Upcasts
from domain.vocabulary import Vocabulary

__all__ = ["EVENT_TYPES", "Event", "Invalid", "digest", "validate"]

RECORDING_SLACK: Final = 300
"""Seconds that something may have happened after it was recorded: clocks differ (docs/contract.md §1, `time`)."""


class _Type(NamedTuple):
    """What is looked up once a type: `moments` are the fields that may not lie in the future of `time`."""

    parse: Callable[[object], Any]
    moments: tuple[str, ...]
    check: Check | None


def _describe(model: type[Fact]) -> _Type:
    fields = model.model_fields
    return _Type(
        TypeAdapter(model).validator.validate_python,
        tuple(name for name in ("at", "start", "end") if name in fields),
        CHECKS.get(model),
    )


_TYPES: Final[Mapping[str, _Type]] = {name: _describe(model) for name, model in EVENT_TYPES.items()}


def validate(obj: object, vocabulary: Vocabulary, upcasts: Upcasts = UPCASTS) -> Event:
    """The event in a parsed JSON value, in the present version of its type; raises `Invalid` for the first rule it breaks.

    Looked at in turn: `invalid_json` (no object), `invalid_envelope`, `unknown_type`, `invalid_data`, `in_future`.
    """
    if not isinstance(obj, dict):
        raise Invalid("invalid_json", "The text is JSON but not one object; write one event a line, never an array.")
    envelope, data = read_envelope(obj), obj.get("data")
    kind = _TYPES.get(envelope["type"])
    if kind is None:
        envelope["type"], data = upcasts.present(envelope["type"], data)
        kind = _TYPES.get(envelope["type"])
    if kind is None:
        raise _unknown_type(envelope["type"])
    event = _event(envelope, _data(data, kind))
    if kind.check:
        event = kind.check(event, event.data, vocabulary)
    _check_recorded(event, kind.moments)
    return event


def digest(event: Event) -> bytes:
    """16 bytes that two events share when their content is the same, whatever their identity and spelling.

    Content is type, subject, time, replaces and data after parsing. An absent field without a default is left out, so that a new
    optional field changes no digest that is already stored. The lines cannot run into each other: none holds a new line.
    """
    data = to_json(event.data.__dict__, exclude_none=True)
    head = f"{event.type}\n{event.subject}\n{event.time}\n{event.replaces or ''}\n"
    return blake2b(head.encode() + data, digest_size=16).digest()


def _event(envelope: Envelope, data: Fact) -> Event:
    return Event(
        envelope["tenant"],
        envelope["source"],
        envelope["id"],
        envelope["type"],
        envelope["subject"],
        envelope["time"],
        envelope.get("replaces"),
        data,
        identity_of(envelope["source"], envelope["id"]),
    )


def _data(data: object, kind: _Type) -> Fact:
    if not isinstance(data, dict):
        raise Invalid("invalid_data", "data: must be an object with the fields of the event type; add it.")
    try:
        fact: Fact = kind.parse(data)
    except ValidationError as error:
        raise refusal("invalid_data", error, "data.") from None
    return fact


def _check_recorded(event: Event, moments: tuple[str, ...]) -> None:
    latest = event.time + RECORDING_SLACK
    for name in moments:
        happened = getattr(event.data, name)
        if happened is not None and happened > latest:
            raise Invalid("in_future", f"data.{name}: lies more than 5 minutes after time, when it was recorded; correct one of the two.")


def _unknown_type(name: str) -> Invalid:
    likely = get_close_matches(name[:64], EVENT_TYPES, n=1)
    hint = f"did you mean {likely[0]}?" if likely else f"it must be one of {', '.join(EVENT_TYPES)}."
    return Invalid("unknown_type", f"type: is not a type of event that is known here; {hint}")
