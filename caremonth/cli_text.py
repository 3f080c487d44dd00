"""Which columns people see of lines, alerts, adjustments, parked input and decisions."""

from __future__ import annotations

from typing import Any, Final

from caremonth.cli_output import Columns, Row


def clock(seconds: int | None) -> str:
    """Seconds as minutes:seconds."""
    return "" if seconds is None else f"{seconds // 60}:{seconds % 60:02d}"


def dollars(amount: str | None) -> str:
    """A decimal string of dollars, with its sign before the dollar."""
    if amount is None:
        return ""
    return f"-${amount[1:]}" if amount.startswith("-") else f"${amount}"


def _delta(amount: str | None) -> str:
    return f"+{dollars(amount)}" if amount is not None and not amount.startswith("-") else dollars(amount)


def _measure(row: Row) -> str:
    return f"{row['days']} days" if row.get("days") else clock(row["seconds"])


def _waits(row: Row) -> str:
    """What keeps a line from being paid, or caps it."""
    if row["excess_units"]:
        return f"{row['excess_units']} more over the limit"
    return ", ".join(row["unmet"]) or ("another line wins" if row.get("excluded_by") else "")


WHOSE: Final[Columns] = {
    "tenant": lambda r: r["tenant"],
    "patient": lambda r: r["patient_id"],
    "month": lambda r: r["month"],
    "program": lambda r: r["program"],
    "practitioner": lambda r: r["practitioner_id"],
    "site": lambda r: r["site_id"],
    "code": lambda r: r["code"],
}

LINES: Final[Columns] = {
    **WHOSE,
    "units": lambda r: r["units"],
    "amount": lambda r: dollars(r["amount"]),
    "status": lambda r: r["status"],
    "date": lambda r: r["date_of_service"],
    "time": _measure,
    "note": _waits,
}

ADJUSTMENTS: Final[Columns] = {
    **WHOSE,
    "units ±": lambda r: f"{r['units_delta']:+d}",
    "amount ±": lambda r: _delta(r["amount_delta"]),
    "kind": lambda r: r["kind"],
    "proposed (UTC)": lambda r: r["time"],
    "because of": lambda r: cause(r["cause"]),
}


def cause(because: dict[str, Any]) -> str:
    """What an adjustment rests on."""
    return ", ".join(because.get("events", ())) or f"rule set {because.get('rule_set')}"


def told(alert: Row) -> str:
    """An alert in words."""
    kind = alert["kind"]
    side = f"{alert.get('code', '')} {alert.get('program', '')} by {alert.get('practitioner_id', '')}"
    if kind == "threshold_near":
        return f"{clock(alert['seconds_needed'])} to {side}"
    if kind == "threshold_reached":
        held = f", held for {', '.join(alert['unmet'])}" if alert["unmet"] else ""
        return f"{side} ({alert['status']}{held})"
    if kind == "adjustment_proposed":
        return f"{side}: {alert['units_delta']:+d} units, {_delta(alert['amount_delta'])}".rstrip(", ")
    if kind == "time_conflict":
        return f"{alert['performer_id']} has two patients from {alert['start']} to {alert['end']} ({alert['event']})"
    return f"{alert.get('event', '')} stays, though {alert.get('by', '')} names it"


ALERTS: Final[Columns] = {
    "seq": lambda r: r["sequence"],
    "when (UTC)": lambda r: r["time"],
    "alert": lambda r: r["kind"],
    "tenant": lambda r: r["tenant"],
    "patient": lambda r: r.get("patient_id", ""),
    "month": lambda r: r["month"],
    "what": told,
}


DEAD_LETTERS: Final[Columns] = {
    "id": lambda r: r["id"],
    "origin": lambda r: r["origin"],
    "reason": lambda r: r["reason"],
    "message": lambda r: r["message"],
}

PROBLEMS: Final[Columns] = {"problem": lambda r: r["problem"]}


def site_rows(board: Row) -> list[Row]:
    """The sites' totals with the grand total beneath."""
    return [*board["sites"], {"site_id": "all sites", **board["total"]}]


SITES: Final[Columns] = {
    "site": lambda r: r["site_id"] or "unknown",
    "patients": lambda r: r["patients"],
    "states": lambda r: ", ".join(f"{n} {state}" for state, n in r["states"].items() if n),
    "untouched": lambda r: r["untouched"],
    "ready": lambda r: dollars(r["ready"]),
    "awaiting close": lambda r: dollars(r["awaiting_close"]),
    "closed": lambda r: dollars(r["closed"]),
    "adjusted": lambda r: dollars(r["adjusted"]),
    "held": lambda r: dollars(r["held"]),
    "held for": lambda r: ", ".join(f"{name} {n}" for name, n in r["held_why"].items()),
    "payable units": lambda r: ", ".join(f"{code}×{n}" for code, n in r["units"].items()),
}

POSITIONS: Final[Columns] = {
    "topic": lambda r: r["topic"],
    "partition": lambda r: r["partition"],
    "next offset": lambda r: r["next_offset"],
    "taken by": lambda r: r["writer"],
    "at": lambda r: r["moved_at"],
}
