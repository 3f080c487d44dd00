"""The month board: per patient, program and practitioner how far the month has come and whether the next code can still be reached.

The states and their rules are in `docs/board.md`; `projections.state` decides them when the board is read, so that the
same rows answer for any `as_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Column, Connection, Engine, Index, LargeBinary, MetaData, Table, select

from domain.calendar import Zone, month_days, utc_text, zone
from domain.facts import Registry
from domain.lines import CLOSED
from domain.progress import PROGRESS
from domain.roster import ROSTER
from domain.settlement import ADJUSTMENT, MONTH_CLOSED, PatientMonth, Row
from ledger import registrations
from ledger.database import found, reading, upsert_all
from ledger.keys import one_of
from ledger.schema import TEXT
from projections.projection import Event, require
from projections.roster import board_rosters, keep, rosters, sides_of
from projections.state import Closed, ahead_of
from projections.totals import totals

board_months: Final = Table(
    "board_months",
    MetaData(),
    Column("key", TEXT, primary_key=True),
    Column("tenant", TEXT, nullable=False),
    Column("month", TEXT, nullable=False),
    Column("patient", TEXT, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("board_months_month", "tenant", "month"),
)
_ADJUSTED: Final = ("program", "practitioner_id", "site_id", "code", "units_delta", "amount_delta")


class Board:
    """One row a patient-month: its programs as last told, closes carried through, adjustments proposed since; and one a patient:
    the roster as last told."""

    name: Final = "board"
    version: Final = 2
    types: Final = (PROGRESS, MONTH_CLOSED, ADJUSTMENT, ROSTER)
    tables: Final = (board_months, board_rosters)

    def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        keep(connection, (event for event in events if event["type"] == ROSTER))
        self._progress(connection, [event for event in events if event["type"] != ROSTER])

    def _progress(self, connection: Connection, events: Sequence[Event]) -> None:
        months = [PatientMonth(event["tenant"], event["data"]["patient_id"], event["data"]["month"]) for event in events]
        documents = _documents(connection, sorted({one.key for one in months}))
        for one, event in zip(months, events, strict=True):
            _apply(documents.setdefault(one.key, {"programs": [], "adjustments": {}, "time": event["time"]}), event)
        upsert_all(connection, board_months, [_row(one, documents[one.key]) for one in sorted(set(months))])


BOARD: Final = Board()


def _documents(connection: Connection, keys: list[str]) -> dict[str, Row]:
    t = board_months.c
    statement = select(t.key, t.document).where(one_of(t.key))
    return {key: orjson.loads(document) for key, document in found(connection, statement, keys)}


def _row(one: PatientMonth, document: Row) -> Row:
    return {"key": one.key, "tenant": one.tenant, "month": one.month, "patient": one.patient, "document": orjson.dumps(document)}


def _apply(document: Row, event: Event) -> None:
    """A close changes nothing but the status of its lines, and no progress is told after it until something else changes."""
    data = event["data"]
    document["time"] = max(document["time"], event["time"])
    if event["type"] == PROGRESS:
        document["programs"] = data["programs"]
    elif event["type"] == ADJUSTMENT:
        document["adjustments"][event["id"]] = {name: data[name] for name in _ADJUSTED}
    else:
        closed = {line["line_id"] for line in data["lines"]}
        for line in (line for program in document["programs"] for line in program["lines"] if line["line_id"] in closed):
            line["status"] = CLOSED


def board_rows(engine: Engine, tenant: str, month: str, site: str | None = None, as_of: int | None = None) -> Row:
    """The board of a tenant's month: `patients` (a row a patient, program and practitioner), `sites` and `total`.

    A row is `untouched` where the patient is in the program and the month has neither time nor a line of it.
    `as_of` is the instant, in epoch seconds, for which states are told; without one it is the greatest recording time of
    what the board shows, never a clock's. `site` leaves what concerns that site: rows of it or with a line there, and
    its totals. Seconds are counted seconds, amounts US$. Raises LedgerError where the board has not been brought up to date.
    """
    with reading(engine) as connection:
        require(connection, BOARD)
        t = board_months.c
        statement = select(t.patient, t.document).where(t.tenant == tenant, t.month == month).order_by(t.patient)
        shown = {patient: orjson.loads(document) for patient, document in connection.execute(statement)}
        known = rosters(connection, tenant, month, shown)
        registry = registrations.load(connection, tenant)
    told = {patient: sides_of(shown.get(patient, {}), known.get(patient), month) for patient in sorted({*shown, *known})}
    if as_of is None:
        times = [one["time"] for found in (shown, known) for patient, one in found.items() if told[patient]]
        as_of = max(map(_instant, times), default=0)
    rows = [_row_of(patient, *side, month, registry, as_of) for patient, sides in told.items() for side in sides]
    sites, total = totals(list(shown.items()), rows, site)
    return {
        "tenant": tenant,
        "month": month,
        "as_of": utc_text(as_of),
        "patients": [row for row in rows if site is None or site in _sites(row)],
        "sites": sites,
        "total": total,
    }


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _sites(row: Row) -> set[str]:
    return {row["site_id"], *(line["site_id"] for line in row["lines"])}


def _row_of(patient: str, program: Row, closed: Closed, month: str, registry: Registry, as_of: int) -> Row:
    local = _zone(program, month, registry)
    ahead = ahead_of(program, closed, month, local, as_of)
    return {
        "patient_id": patient,
        "program": program["program"],
        "practitioner_id": program["practitioner_id"],
        "track": program["track"],
        "site_id": program["site_id"],
        "zone": local.name,
        "minutes": program["counted_seconds"] // 60,
        "seconds": program["counted_seconds"],
        "excluded_seconds": program["excluded_seconds"],
        "next_code": program["next"]["code"] if program["next"] else None,
        "missing_seconds": program["next"]["seconds_needed"] if program["next"] else None,
        "working_days_left": ahead.working_days_left,
        "state": ahead.state,
        "why": list(ahead.why),
        "unmet": program["unmet"],
        "untouched": not (program["counted_seconds"] or program["excluded_seconds"] or program["lines"]),
        "lines": program["lines"],
    }


def _zone(program: Row, month: str, registry: Registry) -> Zone:
    """The zone of the last counted time; without any that of the site at the month's end, and UTC while the site is unknown."""
    if program["zone"]:
        return zone(program["zone"])
    versions = registry.sites.get(program["site_id"])
    version = versions.on(month_days(month)[1] - 1) if versions else None
    return zone(version.zone if version else "UTC")


HEADER: Final = ("patient", "program", "practitioner", "site", "time", "next", "missing", "days left", "state", "why")


def board_table(board: Row) -> list[list[str]]:
    """The board's rows as texts under a header: times as minutes:seconds, `-` where there is nothing to tell."""
    return [list(HEADER), *([_text(cell) for cell in _cells(row)] for row in board["patients"])]


def _cells(row: Row) -> tuple[Any, ...]:
    return (
        row["patient_id"], row["program"], row["practitioner_id"], row["site_id"], _clock(row["seconds"]), row["next_code"],
        _clock(row["missing_seconds"]), row["working_days_left"], row["state"], ", ".join(row["why"]),
    )  # fmt: skip


def _clock(seconds: int | None) -> str | None:
    return None if seconds is None else f"{seconds // 60}:{seconds % 60:02d}"


def _text(cell: object) -> str:
    return "-" if cell is None or cell == "" else str(cell)
