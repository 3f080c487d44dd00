"""Closing a month from the command line."""

from __future__ import annotations

import json
from decimal import Decimal
from getpass import getuser
from typing import Any, Final, NamedTuple
from uuid import uuid5

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import require_known
from caremonth.cli_text import dollars
from domain.events import Invalid
from domain.instants import format_instant, month_end
from domain.lines import CLOSED, HELD
from domain.settlement import NAMESPACE
from ledger import Ledger, Summary
from ledger.codec import decode

_FINAL: Final = ". Nothing was closed: a close cannot be taken back"


class Closed(NamedTuple):
    """What a close did: what was taken in, the lines it made final, and how many lines in its reach stay held."""

    summary: Summary
    lines: list[dict[str, Any]]
    held: int

    def as_json(self) -> dict[str, int]:
        """For machines."""
        return {**self.summary._asdict(), "closed_lines": len(self.lines)}

    def __str__(self) -> str:
        amounts = [Decimal(line["amount"]) for line in self.lines if line["amount"] is not None]
        unpriced = len(self.lines) - len(amounts)
        price = f" ({unpriced} without a known price)" if unpriced else ""
        closed = f"{_count(len(self.lines))} closed, {dollars(f'{sum(amounts, Decimal()):.2f}')} in all{price}"
        return f"{closed}; {_count(self.held)} {'stays' if self.held == 1 else 'stay'} held"


def close_month(ledger: Ledger, tenant: str, month: str, site: str | None, at: int, by: str) -> Closed:
    """Record a month's close and tell what it did.

    RefusedError where it is no valid close, or of a tenant or site the ledger does not know: it is not parked.
    """
    if at < month_end(month):
        raise RefusedError(f"{month} is not over in UTC at that time; close it from {format_instant(month_end(month))} on")
    raw = close_event(tenant, month, site, format_instant(at), by)
    try:
        decode(raw, ledger.words)
    except Invalid as refusal:
        raise RefusedError(f"this close is not valid: {refusal.message}") from None
    require_known(ledger, tenant, site, warning=_FINAL)
    ledger.settle()
    before = {line["line_id"] for line in ledger.lines(tenant, month) if line["status"] == CLOSED}
    summary = ledger.ingest([("close", raw)])
    lines = ledger.lines(tenant, month)
    held = sum(line["status"] == HELD and site in (None, line["site_id"]) for line in lines)
    return Closed(summary, [line for line in lines if line["status"] == CLOSED and line["line_id"] not in before], held)


def close_event(tenant: str, month: str, site: str | None, at: str, by: str) -> bytes:
    """The event of a close; the same close has the same id, so that repeating it is a duplicate."""
    identifier = uuid5(NAMESPACE, f"close/{tenant}/{month}/{site or ''}/{at}/{by}")
    data = {"month": month, "at": at, "by": by, **({"site_id": site} if site else {})}
    event: dict[str, Any] = {
        "specversion": "1.0", "id": str(identifier), "source": "/caremonth/cli", "type": "care.month.closed.v1",
        "tenant": tenant, "subject": tenant, "time": at, "data": data,
    }  # fmt: skip
    return json.dumps(event).encode()


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def operator() -> str:
    """Who works here, by the system's account of it."""
    try:
        return getuser()
    except (KeyError, OSError, ImportError):
        return "operator"
