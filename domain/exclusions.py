"""Programs and practitioners that are not paid together: the side that crossed first wins (docs/contract.md §3.14)."""

from __future__ import annotations

from typing import NamedTuple

from domain.lines import AWAITING_CLOSE, EXCLUDED, PAYABLE, READY, Key, Line
from domain.rulebook import DayRules


class Side(NamedTuple):
    """All lines of one program and practitioner in the month, and when the first of them was reached."""

    crossed: int
    program: str
    practitioner: str
    lines: list[Line]


def exclude(sides: list[Side], rules: DayRules) -> dict[tuple[str, str], list[Line]]:
    """Each side's lines, those of losing sides marked `excluded` with the key of the line that wins; held lines stay held."""
    standing: list[Side] = []
    result: dict[tuple[str, str], list[Line]] = {}
    for side in sorted(sides, key=lambda s: s[:3]):
        winner = next((won for won in standing if conflict(won, side, rules)), None)
        lines = side.lines if winner is None else _lose(side.lines, _first_payable(winner.lines))
        if winner is None and any(line.status in PAYABLE for line in lines):
            standing.append(side)
        result[side.program, side.practitioner] = lines
    return result


def conflict(one: Side, other: Side, rules: DayRules) -> bool:
    """Whether two sides of a patient-month are not paid together."""
    same_practitioner = one.practitioner == other.practitioner
    if one.program == other.program:
        return rules.programs[one.program].one_practitioner and not same_practitioner
    pair = {one.program, other.program}
    return any({x.first, x.second} == pair and (same_practitioner or not x.same_practitioner) for x in rules.exclusions)


def _lose(lines: list[Line], winner: Key) -> list[Line]:
    return [line._replace(status=EXCLUDED, excluded_by=winner) if line.status in (READY, AWAITING_CLOSE) else line for line in lines]


def _first_payable(lines: list[Line]) -> Key:
    return min((line.crossed, line.code, line.window_start or 0, line.key) for line in lines if line.status in PAYABLE)[3]
