"""What is owed for a set of events, however closes divided it."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from ledger import Ledger, open_ledger
from tests.ledger.crowd import Event, adjusted, fed, write

Owed = dict[str, tuple[int, Decimal | None]]
CLOSE = "care.month.closed.v1"


def owed(events: Iterable[Event], folder: Path) -> Owed:
    """Units and US$ (None where no price is known) of each payable line, by a ledger that closes nothing and takes each event once."""
    with open_ledger("sqlite://") as alone:
        fed(alone, write((event for event in events if event["type"] != CLOSE), folder / "open.jsonl"), 500)
        payable = [line for line in alone.lines() if line["status"] in {"ready", "awaiting_close"}]
        return {line["line_id"]: (line["units"], Decimal(line["amount"]) if line["amount"] is not None else None) for line in payable}


def require_owed(ledger: Ledger, wanted: Owed) -> None:
    """Open and closed lines with their adjustments are just that. Of a line without a price what was once said of its amount stands."""
    found = adjusted(ledger)
    for line in ledger.lines():
        if line["status"] in {"ready", "awaiting_close", "closed"}:
            units, dollars = found.get(line["line_id"], (0, Decimal()))
            found[line["line_id"]] = units + line["units"], dollars + Decimal(line["amount"] or 0)
    nothing: tuple[int, Decimal | None] = (0, Decimal())
    for identifier in sorted(found.keys() | wanted.keys()):
        (units, dollars), (due, price) = found.get(identifier, (0, Decimal())), wanted.get(identifier, nothing)
        assert units == due, f"line {identifier} has {units} units, {due} are owed"
        assert price is None or identifier not in wanted or dollars == price, f"line {identifier} has US$ {dollars}, {price} are owed"
