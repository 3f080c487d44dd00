"""National amounts and unit limits, read from the tables beside this file (sources in their last column)."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from tests.oracle.facts import Tenant
from tests.oracle.rulebook import AT_MOST

HERE = Path(__file__).parent
FACILITY = frozenset(["02", "19", "21", "22", "23", "24", "26", "31", "34", "41", "42", "51", "52", "53", "56", "61"])


@cache
def table(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def unit_cap(code: str) -> int:
    """Payable units: the MUE and the rule's own limit, whichever is lower (docs/contract.md §3.16)."""
    limits = [int(row["mue"]) for row in table("unit_limits.csv") if row["code"] == code]
    return min([*limits, AT_MOST.get(code, 10**6)])


@cache
def amount(code: str, day: date, facility: bool) -> str | None:
    """The national amount of one unit on a day; None where none is known."""
    column = "facility_usd" if facility else "nonfacility_usd"
    for row in table("national_amounts.csv"):
        if row["code"] == code and row["from"] <= day.isoformat() <= row["to"]:
            return row[column] or None
    return None


def unit_amount(tenant: Tenant, code: str, site: str, day: date) -> str | None:
    """The amount at a site on a date of service; of a site known only from the next date of UTC on, by its place of service then."""
    known = "care.site.registered.v1"
    version = tenant.version(known, site, day) or tenant.version(known, site, day + timedelta(days=1))
    return None if version is None else amount(code, day, version["pos"] in FACILITY)


def times(unit: str | None, units: int) -> str | None:
    """Units times an amount, as a decimal text."""
    return None if unit is None else str(Decimal(unit) * units)
