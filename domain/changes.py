"""What another decision would change of a patient-month: lines that stand, and what closed lines would be adjusted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from domain.calendar import iso
from domain.lines import AWAITING_CLOSE, READY, Key, Line
from domain.settlement import PatientMonth, Row, Scope, Stored, amount, bound_site, cents_of, close, money, order, owed, payable, settle

LINE: Final = "line"
ADJUSTMENT: Final = "adjustment"
_LISTED: Final = frozenset({READY, AWAITING_CLOSE})
_NOTHING: Final = (0, 0, None, None)

Billed = tuple[int, int | None, str | None, str | None]
"""Payable units, US cents (None where no price is known), site and date of service."""


class Change(NamedTuple):
    """One line of a plan. `effect` says whether the line itself changes or an adjustment is proposed."""

    key: Key
    effect: str
    before: Billed
    after: Billed

    def row(self, month: PatientMonth) -> Row:
        """The change as a plan has it; an amount is null where no price is known."""
        program, practitioner, code, window = self.key
        row: Row = {
            "tenant": month.tenant, "patient_id": month.patient, "month": month.month, "program": program, "practitioner_id": practitioner,
            "code": code, "units_from": self.before[0], "units_to": self.after[0], "amount_from": money(self.before[1]),
            "amount_to": money(self.after[1]), "effect": self.effect, "site_id": self.after[2] or self.before[2],
            "date_from": self.before[3], "date_to": self.after[3],
        }  # fmt: skip
        return row if window is None else {**row, "window_start": iso(window)}

    @property
    def cents(self) -> int:
        """The change in US cents, an unknown amount as nothing."""
        return (self.after[1] or 0) - (self.before[1] or 0)


def carried_out(
    month: PatientMonth, stored: Mapping[Key, Stored], lines: Iterable[Line], scope: Scope, waiting: Iterable[str | None]
) -> dict[Key, Stored]:
    """The lines as they will stand once closes of these sites that wait are carried out, and then what is due is decided."""
    found = dict(stored)
    for site in waiting:
        found |= {line.key: line for line in close(month, found.values(), site).changed}
    return found | {line.key: line for line in settle(month, found, lines, scope, "", {}).changed}


def changes(stored: Mapping[Key, Stored], lines: Iterable[Line], scope: Scope) -> list[Change]:
    """What deciding a month to these lines would change, by program, practitioner, code and window."""
    decided = {line.key: line for line in lines}
    return [
        change
        for key in sorted(stored.keys() | decided.keys(), key=order)
        for change in _of_line(key, stored.get(key), decided.get(key), bound_site(stored.get(key), decided.get(key), stored, scope))
    ]


def between(stored: Mapping[Key, Stored], others: Mapping[Key, Stored]) -> list[Change]:
    """How lines as they stand in one ledger differ from those in another, closed lines with their adjustments.

    Of closed lines units and known amounts are compared: when they were closed decides what else they say.
    """
    found: list[Change] = []
    for key in sorted(stored.keys() | others.keys(), key=order):
        was, now = _whole(stored.get(key)), _whole(others.get(key))
        settled = _is_settled(stored.get(key)) or _is_settled(others.get(key))
        same = _same_money(was, now) if settled else was == now
        if not same:
            found.append(Change(key, ADJUSTMENT if _is_settled(stored.get(key)) else LINE, was, now))
    return found


def _same_money(one: Billed, other: Billed) -> bool:
    return one[0] == other[0] and (None in (one[1], other[1]) or one[1] == other[1])


def _whole(line: Stored | None) -> Billed:
    """All that is payable of a line, with what it was closed and adjusted to."""
    if line is None:
        return _NOTHING
    units, cents, site, day = _standing(line)
    settled = line.closed_units + line.adjusted_units
    if not settled:
        return units, cents, site, day
    known = _settled_cents(line)
    return units + settled, None if cents is None or known is None else cents + known, line.closed_site, line.row.get("date_of_service")


def _settled_cents(line: Stored) -> int | None:
    """What was closed and adjusted, in US cents; None where no amount was ever known of it."""
    cents = line.closed_cents + line.adjusted_cents
    return None if cents == 0 and line.closed_units + line.adjusted_units and line.row.get("unit_amount") is None else cents


def _is_settled(line: Stored | None) -> bool:
    return line is not None and line.closed_site is not None


def _of_line(key: Key, before: Stored | None, now: Line | None, closed_site: str | None) -> Iterator[Change]:
    was = _standing(before)
    listed = _billed(now) if now is not None and closed_site is None and now.status in _LISTED else _NOTHING
    if was != listed:
        yield Change(key, LINE, was, listed)
    settled = before or Stored("", key, "", 0, {})
    due = payable(now, closed_site)
    if any(owed(settled, due)):
        billed = settled.closed_units + settled.adjusted_units, _settled_cents(settled)
        site = closed_site or settled.closed_site
        yield Change(key, ADJUSTMENT, (*billed, site, None), (*(_billed(due)[:2] if due else (0, 0)), site, None))


def _standing(line: Stored | None) -> Billed:
    """What is payable of a line that is not closed."""
    if line is None or line.status not in _LISTED:
        return _NOTHING
    row = line.row
    return row["units"], amount(row["units"], cents_of(row["unit_amount"])), row["site_id"], row["date_of_service"]


def _billed(line: Line) -> Billed:
    return line.units, amount(line.units, line.cents), line.site, iso(line.day)
