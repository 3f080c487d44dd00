"""The billing export: a month's closed lines and adjustments as CSV, with what a claims system needs from us."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, Final

import orjson
from sqlalchemy import Column, Connection, Engine, Index, LargeBinary, MetaData, Table, select

from domain.settlement import ADJUSTMENT, MONTH_CLOSED, Row
from ledger.database import reading, upsert_all
from ledger.schema import NUMBER, TEXT
from projections.projection import Event, require
from projections.providers import Providers, providers

export_records: Final = Table(
    "export_records",
    MetaData(),
    Column("id", TEXT, primary_key=True),
    Column("tenant", TEXT, nullable=False),
    Column("month", TEXT, nullable=False),
    Column("site", TEXT, nullable=False),
    Column("sequence", NUMBER, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("export_records_month", "tenant", "month"),
)
LINE: Final = "line"
PROPOSED: Final = "adjustment"

COLUMNS: Final = (
    "record", "record_id", "line_id", "revision", "tenant", "patient_id", "month", "program", "practitioner_id", "practitioner_npi",
    "site_id", "pos", "code", "base_code", "units", "excess_units", "date_of_service", "unit_amount", "amount", "units_delta",
    "amount_delta", "units_now", "amount_now", "adjustment_kind", "date_of_service_to", "cause", "group", "seconds", "days",
    "window_start", "window_end", "rule_set", "recorded", "evidence_count", "evidence",
)  # fmt: skip
NUMBERS: Final = frozenset((
    "revision", "units", "excess_units", "unit_amount", "amount", "units_delta", "amount_delta", "units_now", "amount_now", "seconds",
    "days", "evidence_count",
))  # fmt: skip
"""Columns of our own figures; a negative one stays a number. All others are text, whatever they look like."""

RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet takes for a formula."""


class Export:
    """One row a closed line or adjustment; neither ever changes."""

    name: Final = "export"
    version: Final = 1
    types: Final = (MONTH_CLOSED, ADJUSTMENT)
    tables: Final = (export_records,)

    def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        upsert_all(connection, export_records, [row for event in events for row in _records(event)])


EXPORT: Final = Export()


def _records(event: Event) -> Iterator[Row]:
    data = event["data"]
    if event["type"] == ADJUSTMENT:
        yield _record(event, data, PROPOSED, event["id"])
        return
    for line in data["lines"]:
        yield _record(event, line, LINE, line["line_id"])


def _record(event: Event, line: Row, kind: str, identifier: str) -> Row:
    document = {**line, "record": kind, "record_id": identifier, "recorded": event["time"]}
    return {
        "id": identifier, "tenant": line["tenant"], "month": line["month"], "site": line["site_id"], "sequence": event["sequence"],
        "document": orjson.dumps(document),
    }  # fmt: skip


def export_csv(engine: Engine, tenant: str, month: str, site: str | None = None) -> Iterator[str]:
    """The header and a row for each closed line and adjustment of a tenant's month, without line ends.

    Lines carry `units` and `amount`, adjustments `units_delta` and `amount_delta` (and, as `units_now` and `amount_now`, what is
    payable after them): what is to be billed is the sum of the four columns. A base is directly followed by its add-on;
    a program's lines come before its adjustments. A text that a spreadsheet would take for a formula begins with an
    apostrophe. Raises LedgerError where the export has not been brought up to date.
    """
    with reading(engine) as connection:
        require(connection, EXPORT)
        t = export_records.c
        wanted = [t.tenant == tenant, t.month == month, *([t.site == site] if site is not None else [])]
        found = connection.execute(select(t.sequence, t.document).where(*wanted)).all()
        known = providers(connection, tenant)
    records = _in_order([(sequence, orjson.loads(document)) for sequence, document in found])
    yield _csv(COLUMNS)
    for record in records:
        cells = _cells(record, known)
        yield _csv([_cell(name, cells.get(name)) for name in COLUMNS])


def _in_order(found: Sequence[tuple[int, Row]]) -> list[Row]:
    groups: dict[str, int] = {}
    for sequence, record in found:
        name = record.get("group", "")
        groups[name] = min(sequence, groups.get(name, sequence))
    return [record for _, record in sorted(found, key=lambda one: _order(one[1], groups))]


def _order(record: Row, groups: Mapping[str, int]) -> tuple[Any, ...]:
    """Lines by date and base, adjustments as they were proposed, those of one decision together; a base before its add-on."""
    base = record.get("base")
    return (
        record["patient_id"], record["program"], record["practitioner_id"], record["record"] != LINE,
        groups[record["group"]] if record["record"] == PROPOSED else 0, _day(record), base or record["code"],
        base is not None, record["code"], record.get("window_start") or "", record["record_id"],
    )  # fmt: skip


def _day(record: Row) -> str:
    """The date of service of the present answer."""
    return str(record.get("date_of_service_to") or record["date_of_service"])


def _cells(record: Row, known: Providers) -> Row:
    """A record's cells by column, missing ones empty."""
    day = _day(record)
    cells = {
        **record,
        "practitioner_npi": known.npi(record["practitioner_id"], day),
        "pos": known.pos(record["site_id"], day),
        "base_code": record.get("base"),
        "evidence_count": len(record["evidence"]),
        "evidence": _json(record["evidence"]),
    }
    if record["record"] == LINE:
        return cells
    return cells | {
        "units": None, "amount": None, "units_now": record["units"], "amount_now": record["amount"],
        "adjustment_kind": record["kind"], "cause": _json(record["cause"]),
    }  # fmt: skip


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _cell(column: str, value: object) -> str:
    text = "" if value is None else str(value)
    return text if column in NUMBERS else safe(text)


def safe(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(RISKY) else text


def _csv(cells: Iterable[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
