"""What is stored of a patient, as rows of tables have it: in the types that were written, unless somebody changed them by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from domain.facts import Conflict
from domain.settlement import Stored

Kept = dict[Any, Any]
"""Stored lines of a month by key."""


class Json(NamedTuple):
    """How documents are read and written: `parsed` makes of anything that is no object an empty one, `mark` is the digest of an object by
    which it is known again."""

    parsed: Callable[[Any], dict[str, Any]]
    dumps: Callable[[Any], bytes]
    mark: Callable[[Any], str]


class Month(NamedTuple):
    """A month's document as it is stored: the facts in JSON, and the state."""

    facts: Any
    state: dict[str, Any]


class Sent(NamedTuple):
    """A row of the outbox."""

    sequence: Any
    id: Any
    type: Any
    tenant: Any
    event: Any


class Holding:
    """What is stored of one patient. `lines` are by month; `misplaced` those kept under another month than their own."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.references: set[str] = set()
        self.roster: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.months: dict[str, Month] = {}
        self.lines: dict[str, Kept] = {}
        self.conflicts: list[Conflict] = []
        self.sent: list[Sent] = []
        self.misplaced: list[str] = []


def keep_lines(of: Mapping[str, Holding], tenant: str, rows: Iterable[Any], json: Json) -> None:
    """Put lines where they belong; rows are of line id, key, the rest of `Stored`, patient, month and the key of the month."""
    for row in rows:
        identifier, program, practitioner, code, window, status, revision, shown = row[:8]
        patient, month, month_key = row[13:]
        key = (program, practitioner, code, window)
        kept: Any = tuple.__new__(Stored, (identifier, key, status, revision, json.parsed(shown), *row[8:13]))
        one = of[patient]
        lines = one.lines.get(month)
        if lines is None:
            lines = one.lines[month] = {}
        lines[key] = kept
        if month_key != f"{tenant}/{patient}/{month}":
            one.misplaced.append(identifier)


def keep_sent(of: Mapping[str, Holding], owner: Mapping[int, str], rows: Iterable[Any]) -> None:
    """Put decisions, which come in order, where they belong; `owner` tells whose a number is."""
    for row in rows:
        sent: Any = tuple.__new__(Sent, row)
        of[owner[row[0]]].sent.append(sent)
