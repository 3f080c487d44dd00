"""Closing a month from the command line."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any
from uuid import uuid5

from caremonth.cli_errors import RefusedError
from domain.events import Invalid
from domain.instants import format_instant, month_end
from domain.rulebook_vocabulary import vocabulary
from domain.settlement import NAMESPACE
from ledger import Ledger
from ledger.codec import decode


def close_month(ledger: Ledger, tenant: str, month: str, site: str | None, at: int, by: str) -> dict[str, int]:
    """Record a month's close and say how many lines it made final. RefusedError where it is no valid close: it is not parked."""
    if at < month_end(month):
        raise RefusedError(f"{month} is not over in UTC at that time; close it from {format_instant(month_end(month))} on")
    raw = close_event(tenant, month, site, format_instant(at), by)
    try:
        decode(raw, vocabulary(ledger.rulebook))
    except Invalid as refusal:
        raise RefusedError(f"this close is not valid: {refusal.message}") from None
    ledger.settle()
    before = _closed_lines(ledger, tenant, month)
    summary = ledger.ingest([("close", raw)])
    return {**summary._asdict(), "closed_lines": _closed_lines(ledger, tenant, month) - before}


def close_event(tenant: str, month: str, site: str | None, at: str, by: str) -> bytes:
    """The event of a close; the same close has the same id, so that repeating it is a duplicate."""
    identifier = uuid5(NAMESPACE, f"close/{tenant}/{month}/{site or ''}/{at}/{by}")
    data = {"month": month, "at": at, "by": by, **({"site_id": site} if site else {})}
    event: dict[str, Any] = {
        "specversion": "1.0", "id": str(identifier), "source": "/caremonth/cli", "type": "care.month.closed.v1",
        "tenant": tenant, "subject": tenant, "time": at, "data": data,
    }  # fmt: skip
    return json.dumps(event).encode()


def _closed_lines(ledger: Ledger, tenant: str, month: str) -> int:
    return sum(line["status"] == "closed" for line in ledger.lines(tenant, month))


def operator() -> str:
    """Who works here, by the system's account of it."""
    try:
        return getuser()
    except (KeyError, OSError, ImportError):
        return "operator"
