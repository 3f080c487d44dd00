"""What a month comes to per site: patients, states, units and dollars by status, and why lines are held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from domain.lines import AWAITING_CLOSE, CLOSED, EXCLUDED, HELD, PAYABLE, READY
from domain.settlement import Row, money
from projections.state import STATES

STATUSES: Final = (READY, AWAITING_CLOSE, CLOSED, HELD, EXCLUDED)
ADJUSTED: Final = "adjusted"

Shown = Sequence[tuple[str, Row]]
"""Patients with their documents: `programs` with their lines, and `adjustments` by id."""


class _Site:
    """A site's sums; amounts in US cents."""

    def __init__(self) -> None:
        self.patients: set[str] = set()
        self.states = dict.fromkeys(STATES, 0)
        self.untouched = 0
        self.units: dict[str, int] = {}
        self.cents = dict.fromkeys((*STATUSES, ADJUSTED), 0)
        self.lines = dict.fromkeys((*STATUSES, ADJUSTED), 0)
        self.unmet: dict[str, int] = {}
        self.unpriced = 0

    def add_line(self, line: Row) -> None:
        status = line["status"]
        self._add(status, line["amount"])
        if status in PAYABLE or status == CLOSED:
            self.units[line["code"]] = self.units.get(line["code"], 0) + line["units"]
        for name in line["unmet"] if status == HELD else ():
            self.unmet[name] = self.unmet.get(name, 0) + 1

    def add_adjustment(self, adjustment: Row) -> None:
        self._add(ADJUSTED, adjustment["amount_delta"])

    def _add(self, status: str, amount: str | None) -> None:
        self.lines[status] += 1
        if amount is None:
            self.unpriced += 1
        else:
            self.cents[status] += cents(amount)

    def add(self, other: _Site) -> None:
        """Put another site's sums to these."""
        self.patients |= other.patients
        for mine, theirs in _pairs(self, other):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n
        self.unpriced += other.unpriced
        self.untouched += other.untouched

    def row(self) -> Row:
        return {
            "patients": len(self.patients),
            "states": self.states,
            "untouched": self.untouched,
            "units": dict(sorted(self.units.items())),
            **{status: money(n) for status, n in self.cents.items()},
            "lines": self.lines,
            "held_why": dict(sorted(self.unmet.items())),
            "unpriced_lines": self.unpriced,
        }


def _pairs(one: _Site, other: _Site) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    yield one.states, other.states
    yield one.units, other.units
    yield one.cents, other.cents
    yield one.lines, other.lines
    yield one.unmet, other.unmet


def cents(amount: str) -> int:
    """A decimal string of dollars in cents."""
    return int(Decimal(amount) * 100)


def totals(shown: Shown, rows: Iterable[Row], site: str | None = None) -> tuple[list[Row], Row]:
    """Each site's sums, in order of site, and those of all of them; with `site` of that one alone.

    `units` are those of payable and closed lines by code. Amounts by status are those of the lines at hand; a close turns
    `ready` and `awaiting_close` into `closed`, and what is proposed after it is `adjusted`, which the closed amount does not
    hold. `untouched` are the rows without time and lines. `unpriced_lines` have no amount and are in no sum. A patient counts
    at each site it has a row or line of.
    """
    found: dict[str | None, _Site] = {} if site is None else {site: _Site()}
    for at, patient, add, what in _parts(shown, rows):
        if site is None or at == site:
            one = found.setdefault(at, _Site())
            one.patients.add(patient)
            add(one, what)
    whole = _Site()
    for one in found.values():
        whole.add(one)
    return [{"site_id": at, **found[at].row()} for at in sorted(found, key=lambda s: s or "")], whole.row()


def _parts(shown: Shown, rows: Iterable[Row]) -> Iterator[tuple[str | None, str, Any, Row]]:
    """All that is summed: its site, the patient, how it is added, and itself."""
    for row in rows:
        yield row["site_id"], row["patient_id"], _add_state, row
    for patient, document in shown:
        for line in (line for program in document["programs"] for line in program["lines"]):
            yield line["site_id"], patient, _Site.add_line, line
        for adjustment in document["adjustments"].values():
            yield adjustment["site_id"], patient, _Site.add_adjustment, adjustment


def _add_state(one: _Site, row: Row) -> None:
    one.states[row["state"]] += 1
    one.untouched += row["untouched"]
