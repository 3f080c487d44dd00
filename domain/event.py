"""An event as everything behind the edge sees it: the contract was kept when it came in (docs/contract.md §1)."""

from typing import Any, NamedTuple


class Event(NamedTuple):
    """An event that keeps the contract.

    `time` is in whole UTC seconds since 1970; `data` is the frozen model that `EVENT_TYPES` has for `type`; `identity` is the key of
    the event within its tenant (`identity_of`).
    """

    tenant: str
    source: str
    id: str
    type: str
    subject: str
    time: int
    replaces: str | None
    data: Any
    identity: str


def identity_of(source: str, identifier: str) -> str:
    """Key of an event within its tenant; keys sort as the pairs (source, id) do.

    The tab holds for that: it is below every character that a source may have.
    """
    return f"{source}\t{identifier}"
