"""Why an event is refused, in a sentence that never repeats health data (docs/contract.md §1, bad input)."""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.identifiers import SENTENCES, shown


class Invalid(ValueError):  # noqa: N818
    """An event that breaks the contract.

    `reason` is the machine's word (`invalid_data`, ...); `message` names the field, its problem and the fix,
    never the value.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def refusal(reason: str, error: ValidationError, prefix: str = "") -> Invalid:
    """The first bad field of a validation as an `Invalid`; `prefix` is the path before the field."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = shown(str(first["loc"][0]))
    return Invalid(reason, f"{prefix}{field}: {_sentence(first)}.")


def _sentence(error: ErrorDetails) -> str:
    """Only texts of our own and words of the contract: pydantic's texts may one day quote what came in."""
    word = _WORDS.get(error["type"])
    return word(error.get("ctx", {})) if word else "has a value of the wrong kind; see the table of event types"


def _fixed(sentence: str) -> Callable[[Mapping[str, object]], str]:
    return lambda _context: sentence


_WORDS: Final[Mapping[str, Callable[[Mapping[str, object]], str]]] = {
    "missing": _fixed("is required and missing; add it"),
    "extra_forbidden": _fixed("is not a field of this event type; remove it or correct its name"),
    "string_type": _fixed("must be text in quotes; write it so"),
    "bool_type": _fixed("must be true or false, without quotes; write it so"),
    "int_type": _fixed("must be a whole number without quotes; write it so"),
    "greater_than_equal": _fixed("must be 0 or more; correct it"),
    "less_than": _fixed("must fit into 64 bits; correct it"),
    "literal_error": lambda context: f"must be {context['expected']}; write it so",
    "string_pattern_mismatch": lambda context: SENTENCES[str(context["pattern"])],
    "value_error": lambda context: str(context["error"]),
}
