"""A replay plan's figures in words and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any, Final

from caremonth.cli_output import Columns, clean, put, put_rows, put_styled, width_of_terminal
from caremonth.cli_text import WHOSE, dollars
from caremonth.plan_figures import DAYS_TO_RETURN, LARGEST
from caremonth.rules_diff import CHANGES

Row = dict[str, Any]

_SUMS: Final[Columns] = {
    "lines": lambda r: r["lines"],
    "owed back": lambda r: dollars(r["owed_back"]),
    "to gain": lambda r: dollars(r["to_gain"]),
    "open": lambda r: signed(r["open"]),
    "amount ±": lambda r: signed(r["amount_delta"]),
    "note": lambda r: f"{r['amounts_unknown']} without a price" if r["amounts_unknown"] else "",
}
GROUPS: Final[dict[str, tuple[str, Columns]]] = {
    "by_code": ("By code", {"program": lambda r: r["program"], "code": lambda r: r["code"], **_SUMS}),
    "by_site": ("By site", {"tenant": lambda r: r["tenant"], "site": lambda r: r["site_id"] or "unknown", **_SUMS}),
    "by_month": ("By month", {"month": lambda r: r["month"], **_SUMS}),
}
LARGEST_COLUMNS: Final[Columns] = {
    **WHOSE,
    "units": lambda r: f"{r['units_from']} → {r['units_to']}",
    "amount": lambda r: f"{priced(r['amount_from'])} → {priced(r['amount_to'])}",
    "amount ±": lambda r: signed(r["amount_delta"]),
    "as": lambda r: r["effect"],
}
RULES: Final[Columns] = {name: CHANGES[name] for name in ("family", "code", "what", "from", "to", "was", "is", "cited now")}
_ABOUT: Final = ("id of", "title", "legal status", "lifecycle", "last verified", "verified to", "remark", "conversion factor")
"""How what a rule set says of itself is called."""


def put_plan(shown: Row) -> None:
    """A plan's figures in text and tables."""
    put_styled(clean(title(shown)), "bold")
    put(clean(about(shown)))
    for warning in shown["warnings"]:
        put_styled(clean(warning), "yellow")
    if shown["facts"] is None or shown["rule_changes"]:
        _section("What the rules say otherwise")
        put_rows(deciding(shown["rule_changes"]), RULES, as_json=False, nothing="no value that decides anything differs")
    _section("What changes")
    for line in summary(shown):
        put_wrapped(clean(line))
    if not shown["by_code"]:
        return
    for name, (heading, columns) in GROUPS.items():
        _section(heading)
        put_rows(shown[name], columns, as_json=False, nothing="")
    _section(largest_heading(shown))
    put_rows(shown["largest"], LARGEST_COLUMNS, as_json=False, nothing="")


def deciding(changes: Iterable[Row]) -> list[Row]:
    """The changed values that can change a decision: not what a rule set is called and what is remarked in it."""
    return [row for row in changes if row["family"] or row["code"] or not row["key"].startswith(_ABOUT)]


def put_wrapped(text: str) -> None:
    """A sentence; folded where somebody looks."""
    width = width_of_terminal()
    for line in wrap(text, width, subsequent_indent="  ") if width else [text]:
        put(line)


def _section(heading: str) -> None:
    put()
    put_styled(heading, "bold")


def title(shown: Row) -> str:
    """Which rules in place of which, or that the facts are others."""
    if shown["facts"] is not None and not shown["rule_changes"]:
        return f"Plan {shown['digest'][:12]}: other facts under {shown['rule_set_to']}"
    return f"Plan {shown['digest'][:12]}: {shown['rule_set_to']} in place of {shown['rule_set_from']}"


def about(shown: Row) -> str:
    """Which months, whose, and how many were looked at."""
    first, last = shown["months"]
    months = f"{first} to {last}" if first else "no month"
    return f"{months} · {shown['scope']['tenant'] or 'all tenants'} · {shown['evaluated']:,} patient-months"


def summary(shown: Row) -> Iterator[str]:
    """What it comes to in sentences: lines, money owed back, money to gain, open lines, unknown amounts."""
    totals, owed, gain, opened = shown["totals"], shown["owed_back"], shown["to_gain"], shown["open"]
    lines = totals["lines_added"], totals["lines_removed"], totals["lines_changed"]
    if not shown["by_code"]:
        yield "Nothing: each line is the same under both."
        return
    yield f"Lines: {lines[0]:,} come, {lines[1]:,} go, {lines[2]:,} change; {signed(totals['amount_delta'])} in all."
    yield f"Owed back: {_size(owed['amount'])} on closed lines, adjusted down: {owed['lines']:,}."
    if owed["lines"] and shown["facts"] is None:
        yield f"  {deadline(shown)}"
    yield f"To gain: {_size(gain['amount'])} on closed lines, adjusted up: {gain['lines']:,}."
    yield f"Open: {_size(opened['down'])} less and {_size(opened['up'])} more on lines not billed yet: {opened['lines']:,}."
    if totals["amounts_unknown"]:
        yield f"Unknown: no price is known for {totals['amounts_unknown']:,} of the lines; an unknown amount is counted as nothing here."


def _size(amount: str) -> str:
    return dollars(amount.removeprefix("-"))


def deadline(shown: Row) -> str:
    """The 60-day rule, with its date."""
    return (
        f"Report and return by {shown['return_by']}, {DAYS_TO_RETURN} days from {shown['as_of']}, if it counts as identified on that day "
        f"({shown['return_rule']}). Amounts back are not set off against amounts to gain."
    )


def largest_heading(shown: Row) -> str:
    """Over the list of the largest changes."""
    count = len(shown["largest"])
    return "The largest changes" if count < LARGEST else f"The {count} largest changes"


def signed(amount: str) -> str:
    """A change of an amount, with its sign unless it is none."""
    return dollars(amount) if amount.startswith("-") or amount == "0.00" else f"+{dollars(amount)}"


def priced(amount: str | None) -> str:
    """An amount, or that none is known."""
    return "unknown" if amount is None else dollars(amount)
