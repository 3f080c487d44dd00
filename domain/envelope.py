"""The attributes around an event's data (CloudEvents 1.0 with the extensions of docs/contract.md §1)."""

from math import isfinite
from typing import Annotated, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from domain.event_errors import Invalid, refusal
from domain.event_types import INTEGER_LIMIT, Instant, Name, Party
from domain.identifiers import TENANT


class Envelope(TypedDict):
    """The attributes that have a meaning here; all others are kept by the ledger and ignored."""

    __pydantic_config__ = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)  # type: ignore[misc]

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: Name
    tenant: Annotated[str, Field(pattern=TENANT)]
    subject: Party
    time: Instant
    replaces: NotRequired[Name | None]


_validate: Final = TypeAdapter(Envelope).validator.validate_python
_KNOWN: Final = frozenset(Envelope.__annotations__) | {"data"}


def read_envelope(obj: dict[str, object]) -> Envelope:
    """The envelope of a parsed event; raises `Invalid` with reason `invalid_envelope`."""
    try:
        envelope: Envelope = _validate(obj)
    except ValidationError as error:
        raise refusal("invalid_envelope", error) from None
    if envelope.get("replaces") == envelope["id"]:
        raise Invalid("invalid_envelope", "replaces: names the event itself; give the id of the earlier event.")
    if len(obj) > len(envelope) + 1:
        _check_extensions(obj)
    return envelope


def _check_extensions(obj: dict[str, object]) -> None:
    pending = [value for name, value in obj.items() if name not in _KNOWN]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, int | float) and not _fits(value):
            raise Invalid("invalid_envelope", "An extension attribute holds a number beyond 64 bits; write it as text.")


def _fits(number: float) -> bool:
    return -INTEGER_LIMIT <= number < INTEGER_LIMIT if isinstance(number, int) else isfinite(number)
