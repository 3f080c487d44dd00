"""Months are added to dates as docs/contract.md §3.8 has it, up to the end of the calendar."""

import pytest

from domain.calendar import add_months, iso
from domain.instants import parse_day


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        ("2025-12-15", 3, "2026-03-15"),
        ("2025-11-30", 3, "2026-02-28"),
        ("2023-11-30", 3, "2024-02-29"),
        ("2024-02-29", -12, "2023-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("9999-08-31", 3, "9999-11-30"),
        ("9999-09-30", 3, "9999-12-31"),
        ("9999-12-31", 3, "9999-12-31"),
    ],
)
def test_months_are_added_and_the_day_is_clamped(day: str, months: int, then: str) -> None:
    assert iso(add_months(parse_day(day), months)) == then
