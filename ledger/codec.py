"""From the bytes of one event to a valid event (docs/contract.md §1): the only way in for files, HTTP and Kafka."""

import re
from typing import Any, Final

from jiter import from_json

from domain.events import Event, Invalid, validate
from domain.identifiers import shown
from domain.upcasting import UPCASTS, Upcasts
from domain.vocabulary import Vocabulary

LARGEST: Final = 1_048_576
"""Bytes of one event, one MiB."""

_POSITION: Final = re.compile(r" at line (\d+) column (\d+)\Z")
_DUPLICATE: Final = re.compile(r'Detected duplicate key "(.*)"', re.DOTALL)

_FAULTS: Final = (
    ("EOF", "ends in the middle; send it whole"),
    ("recursion limit", "is nested too deeply; an event needs two levels"),
    ("lone leading surrogate", "has half of a surrogate pair in an escape; write the character itself or both halves"),
    ("unexpected end of hex escape", "has an incomplete escape, or half of a surrogate pair; write the character itself"),
    ("control character", "has a control character inside a text; escape or remove it"),
    ("number out of range", "has a number of too many digits; correct it"),
    ("trailing characters", "goes on after its end; write one event a line"),
)
"""How the parser's messages begin, and what is said instead: its own text may quote what came in."""

_NOT_UTF8: Final = "The event is not UTF-8; convert the text to UTF-8."


def decode(raw: bytes, vocabulary: Vocabulary, upcasts: Upcasts = UPCASTS) -> Event:
    """The event in `raw`, in the present version of its type; raises `Invalid` and nothing else, whatever the bytes are.

    Reasons beside those of `validate`: those of `parse`.
    """
    return validate(parse(raw), vocabulary, upcasts)


def parse(raw: bytes) -> Any:
    """The JSON value in `raw`; raises `Invalid` with reason `too_large` (over one MiB) or `invalid_json`.

    The latter is what is not UTF-8 JSON as RFC 8259 has it, a key twice in one object, NaN, half a surrogate pair, deep nesting.
    """
    if len(raw) > LARGEST:
        raise Invalid("too_large", "The event is larger than 1 MiB (1,048,576 bytes); send its parts as events of their own.")
    try:
        return from_json(raw, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid("invalid_json", _sentence(str(error)) if _is_utf8(raw) else _NOT_UTF8) from None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sentence(text: str) -> str:
    position = _POSITION.search(text)
    where = f" at line {position[1]}, column {position[2]}" if position else ""
    duplicate = _DUPLICATE.match(text)
    if duplicate:
        return f"An object has the key {shown(duplicate[1])} twice{where}; keep one of the two."
    fault = next((fault for start, fault in _FAULTS if text.startswith(start)), "is not JSON as RFC 8259 has it; correct it")
    return f"The event{where} {fault}."
