"""Which sides of a patient-month exclude which (docs/contract.md §3.14)."""

from tests.oracle.lines import Line, Side
from tests.oracle.rulebook import NOT_TOGETHER

Key = tuple[str, str, str, str | None]


def conflict(one: Side, other: Side) -> bool:
    """Whether two sides of a patient-month cannot both be paid."""
    same_practitioner = one.practitioner == other.practitioner
    if one.program == other.program:
        return one.program in {"CCM", "RPM"} and not same_practitioner
    of = NOT_TOGETHER.get(frozenset({one.program, other.program}))
    return of == "patient" or (of == "practitioner" and same_practitioner)


def exclude(sides: list[Side]) -> None:
    """Mark the lines of every side that loses to an earlier one; held lines stay held."""
    earlier: list[Side] = []
    for side in sorted((side for side in sides if side.lines), key=lambda side: side.order):
        winners = [other for other in earlier if conflict(other, side) and payable(other)]
        if winners:
            for line in payable(side):
                line.update(status="excluded", excluded_by=key(payable(winners[0])[0]))
        earlier.append(side)


def payable(side: Side) -> list[Line]:
    """The side's lines that are neither held nor excluded, as they were reached, then in the order of `lines`."""
    crossed = sorted(side.crossed, key=lambda pair: (pair[0], line_order(pair[1])))
    return [line for _, line in crossed if line["status"] in {"ready", "awaiting_close"}]


def key(line: Line) -> Key:
    """What names a line within its patient-month."""
    return (line["program"], line["practitioner_id"], line["code"], line.get("window_start"))


def line_order(line: Line) -> tuple[str, ...]:
    """The order in which `caremonth lines` lists (windows of one day by their start)."""
    names = ("tenant", "patient_id", "month", "program", "practitioner_id", "code", "date_of_service")
    return (*(str(line[name]) for name in names), str(line.get("window_start", "")))
