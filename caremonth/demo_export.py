"""What the export's rows add up to, read back from its text as a claims system would."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from decimal import Decimal

from ledger import Ledger
from projections.export import export_csv
from projections.run import catch_up


def sums_of_export(ledger: Ledger, tenant: str, month: str) -> tuple[int, str, str]:
    """Rows of the CSV, the amounts of its closed lines and those of its adjustments, in dollars."""
    catch_up(ledger.engine)
    rows = list(csv.DictReader(export_csv(ledger.engine, tenant, month)))
    return len(rows), total(row["amount"] for row in rows if row["record"] == "line"), total(row["amount_delta"] for row in rows)


def total(amounts: Iterable[str | None]) -> str:
    """The sum of decimal strings of dollars; those without a price are not in it."""
    return str(sum((Decimal(amount) for amount in amounts if amount), Decimal("0.00")))
