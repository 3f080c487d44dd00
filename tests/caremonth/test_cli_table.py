"""Tables: columns line up, and nothing that must stay whole is broken."""

from __future__ import annotations

import pytest

from caremonth.cli_output import plain_table
from caremonth.cli_table import fitted, terminal_table


def test_columns_line_up_and_nothing_is_cut() -> None:
    assert list(plain_table(["a", "units"], [["long text", "1"], ["b", "22"]])) == [
        "a          units",
        "long text      1",
        "b             22",
    ]


def test_a_table_too_wide_loses_empty_columns_and_tells_equal_ones_once() -> None:
    headings, cells = ["tenant", "code", "note"], [["acme", "G3002", ""], ["acme", "G3003", ""]]
    assert fitted(headings, cells, 80) == ([0, 1, 2], [])
    assert fitted(headings, cells, 18) == ([0, 1], [])
    assert fitted(headings, cells, 10) == ([1], [0])


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_a_terminal_table_wraps_texts_and_breaks_no_id(width: int) -> None:
    headings = ["patient", "month", "amount", "status", "date", "note"]
    cells = [[f"patient-number-{n}", "2026-03", f"${n}31.73", "awaiting_close", f"2026-03-1{n}", "care_plan, " * n] for n in (1, 2, 3)]
    lines = [line for line, _ in terminal_table(headings, cells, width)]
    assert max(map(len, lines)) <= width
    assert {cell for row in cells for cell in row[:-1]} <= {word for line in lines for word in line.split()}


def test_only_a_very_long_id_is_folded() -> None:
    lines = [line for line, _ in terminal_table(["patient", "note"], [["p" * 30, "one two"], ["q" * 24, "three"]], 33)]
    assert lines == ["patient                   note", "p" * 24 + "  one two", "p" * 6, "q" * 24 + "  three"]
