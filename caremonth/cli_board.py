"""The month board for people."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from caremonth.cli_output import Columns, Row, put, put_json, put_rows
from caremonth.cli_text import SITES, site_rows
from projections.board import HEADER, board_table
from projections.state import AT_RISK, BLOCKED, IMPOSSIBLE, ON_TRACK, REACHED

BOARD: Final[Columns] = {{"days left": "work days left"}.get(name, name): itemgetter(name) for name in HEADER}
_URGENCY: Final = (AT_RISK, ON_TRACK, REACHED, BLOCKED, IMPOSSIBLE)


def put_board(board: dict[str, Any], *, as_json: bool) -> None:
    """The month board: a row a patient, program and practitioner, then the sites' totals. As JSON one object of all of it."""
    if as_json:
        put_json(board)
        return
    put(f"{board['tenant']} · {board['month']} · as of {board['as_of'] or '(nothing decided yet)'}")
    put_rows(board_cells(board), BOARD, as_json=False, nothing="no patients")
    put()
    put_sites(board)


def put_sites(board: dict[str, Any]) -> None:
    """The sites' totals, the grand total beneath."""
    put_rows(site_rows(board), SITES, as_json=False, nothing="no sites")


def board_cells(board: dict[str, Any]) -> list[Row]:
    """The board's rows as texts by column, in order of urgency: by state, then by what is missing."""
    header, *rows = board_table({**board, "patients": sorted(board["patients"], key=_urgency)})
    return [dict(zip(header, row, strict=True)) for row in rows]


def _urgency(row: Row) -> tuple[int, bool, int]:
    missing = row["missing_seconds"]
    return _URGENCY.index(row["state"]), missing is None, missing or 0
