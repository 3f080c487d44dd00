"""What the board knows of patients beside their months: who is in which program, and when no time of it may count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, MetaData, Table, Text, select

from domain.calendar import UTC, zone
from domain.settlement import Row
from domain.spans import AFTER, BEFORE, Span
from domain.tally import BEFORE_CONSENT
from ledger.database import found, upsert_all
from ledger.keys import one_of
from projections.projection import Event
from projections.state import Closed

board_rosters: Final = Table(
    "board_rosters",
    MetaData(),
    Column("key", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("board_rosters_last", "tenant", "last"),
)
"""One row a patient; `first` and `last` bound the seconds in which the patient is in any program."""

NEAR: Final = 86_400
"""Seconds by which a local month may begin before or end after the UTC month, and more."""

NO_CONSENT: Final[Closed] = ((BEFORE_CONSENT, (BEFORE, AFTER)),)


class Side(NamedTuple):
    """A program and practitioner of a patient as the roster last told it."""

    row: Row

    @property
    def closed(self) -> Closed:
        """When no time of it counts."""
        return [(one["reason"], _span(one)) for one in self.row["closed"]]

    def active(self, month: str) -> bool:
        """Whether the patient is in the program at any second of the month, at the side's clocks."""
        low, high = self._bounds(month)
        return any(start < high and end > low for start, end in map(_span, self.row["active"]))

    def untouched(self, month: str) -> Row:
        """What the month's progress would tell if nothing is logged in it."""
        return {
            "program": self.row["program"], "practitioner_id": self.row["practitioner_id"], "site_id": self._site(month), "zone": None,
            "counted_seconds": 0, "excluded_seconds": {}, "lines": [], **self._asked(month),
        }  # fmt: skip

    def told(self, program: Row, month: str) -> Row:
        """The month's progress; where nothing counts in it, with what is missing all the same."""
        return program if program["counted_seconds"] else {**program, "unmet": self._asked(month)["unmet"]}

    def _asked(self, month: str) -> Row:
        """What the month asks for while nothing counts."""
        months = self.row["months"]
        found = next((one for one in reversed(months) if one["from"] <= month), months[0])
        return {name: value for name, value in found.items() if name != "from"}

    def _site(self, month: str) -> str | None:
        """The site of the last enrolment that began before the month's end; otherwise the side's."""
        _, high = self._bounds(month)
        sites: list[str | None] = [one["site_id"] for one in self.row["enrolled"] if _span(one)[0] < high]
        return sites[-1] if sites else self.row["site_id"]

    def _bounds(self, month: str) -> Span:
        return (zone(self.row["zone"]) if self.row["zone"] else UTC).month_bounds(month)


def keep(connection: Connection, events: Iterable[Event]) -> None:
    """Keep the last roster of each patient."""
    last = {f"{event['tenant']}/{event['data']['patient_id']}": event for event in events}
    upsert_all(connection, board_rosters, [_row(key, event) for key, event in last.items()])


def _row(key: str, event: Event) -> Row:
    programs = event["data"]["programs"]
    spans = [_span(one) for program in programs for one in program["active"]]
    return {
        "key": key,
        "tenant": event["tenant"],
        "first": min((start for start, _ in spans), default=AFTER),
        "last": max((end for _, end in spans), default=BEFORE),
        "document": orjson.dumps({"time": event["time"], "programs": programs}),
    }


def rosters(connection: Connection, tenant: str, month: str, others: Iterable[str]) -> dict[str, Row]:
    """By patient, the rosters (`time`, `programs`) of those who may be in a program in the month, and of the `others` who have one."""
    t = board_rosters.c
    low, high = UTC.month_bounds(month)
    statement = select(t.key, t.document).where(t.tenant == tenant, t.last > low - NEAR, t.first < high + NEAR)
    rosters = dict(_read(connection.execute(statement).all()))
    missing = [f"{tenant}/{patient}" for patient in others if patient not in rosters]
    rosters.update(_read(found(connection, select(t.key, t.document).where(one_of(t.key)), missing)))
    return rosters


def _read(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, Row]]:
    return ((key.partition("/")[2], orjson.loads(text)) for key, text in rows)


def sides_of(progress: Row, roster: Row | None, month: str) -> list[tuple[Row, Closed]]:
    """A patient's programs in a month, each as a row of its progress and with the spans in which no time of it counts.

    Those in which the patient is without that the month tells anything of them are untouched.
    """
    sides = {(row["program"], row["practitioner_id"]): Side(row) for row in (roster["programs"] if roster else ())}
    told: dict[tuple[str, str], tuple[Row, Closed]] = {}
    for program in progress.get("programs", ()):
        key = program["program"], program["practitioner_id"]
        told[key] = (sides[key].told(program, month), sides[key].closed) if key in sides else (program, NO_CONSENT)
    told.update({key: (side.untouched(month), side.closed) for key, side in sides.items() if key not in told and side.active(month)})
    return [told[key] for key in sorted(told)]


def _span(one: Row) -> Span:
    return _instant(one["from"], BEFORE), _instant(one["until"], AFTER)


def _instant(text: str | None, otherwise: int) -> int:
    return otherwise if text is None else int(datetime.fromisoformat(text).timestamp())
