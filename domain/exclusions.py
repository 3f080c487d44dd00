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
        winner = next((won for won in standing if conflict(won[1:3], side[1:3], rules)), None)
        lines = side.lines if winner is None else _lose(side.lines, _first_payable(winner.lines))
        if winner is None and any(line.status in PAYABLE for line in lines):
            standing.append(side)
        result[side.program, side.practitioner] = lines
    return result


def conflict(one: tuple[str, str], other: tuple[str, str], rules: DayRules) -> bool:
    """Whether two sides, each a program and practitioner, are not paid together."""
    (program, practitioner), (rival, another) = one, other
    if program == rival:
        return rules.programs[program].one_practitioner and practitioner != another
    for first, second, same_practitioner, _ in rules.exclusions:
        if (program == first and rival == second) or (program == second and rival == first):
            return practitioner == another or not same_practitioner
    return False


def _lose(lines: list[Line], winner: Key) -> list[Line]:
    return [line._replace(status=EXCLUDED, excluded_by=winner) if line.status in (READY, AWAITING_CLOSE) else line for line in lines]


def _first_payable(lines: list[Line]) -> Key:
    return min((line.crossed, line.code, line.window_start or 0, line.key) for line in lines if line.status in PAYABLE)[3]
