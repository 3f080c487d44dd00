"""From a decision to what changes: lines, their revisions, and the events that tell of it.

Pure: what stands, what was decided and which closes bind go in; the rows to store and the decisions to send come out.
A closed line is never rewritten; what is payable now, less what was closed and already adjusted, is proposed as an
adjustment (docs/contract.md §3.17).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha1
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.calendar import iso
from domain.lines import AWAITING_CLOSE, CLOSED, PAYABLE, READY, Key, Line

NAMESPACE: Final = UUID("5b0f6f0e-8d0f-5f5c-9a53-0c7c5a1d2f60")
_SPACE: Final = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANTS: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}
GONE: Final = "gone"
SOURCE: Final = "/caremonth"
"""Who sends decisions."""
LINE_READY: Final = "billing.line.ready.v1"
LINE_WITHDRAWN: Final = "billing.line.withdrawn.v1"
ADJUSTMENT: Final = "billing.adjustment.proposed.v1"
MONTH_CLOSED: Final = "billing.month.closed.v1"

Row = dict[str, Any]
NOTHING_UNDONE: Final[Mapping[str, int]] = {}


class PatientMonth(NamedTuple):
    """One patient in one tenant in one local month."""

    tenant: str
    patient: str
    month: str

    @property
    def key(self) -> str:
        """A text that identifies it; the slash is in none of its parts."""
        return f"{self.tenant}/{self.patient}/{self.month}"


class Stored(NamedTuple):
    """What the ledger keeps of a line. `row` is the line as listed; `closed_*` the figures at its close, in units and cents.
    `closed_site` is also the site of the last adjustment of a line that was never closed: what takes it back belongs there.

    `status` is that of the line, or `gone` for one that is not listed: its revision and adjustments are kept, so that
    neither restarts.
    """

    line_id: str
    key: Key
    status: str
    revision: int
    row: Row
    closed_units: int = 0
    closed_cents: int = 0
    closed_site: str | None = None
    adjusted_units: int = 0
    adjusted_cents: int = 0


class Scope(NamedTuple):
    """Which lines of a month the closes so far bind: all, or those of some sites."""

    whole: bool = False
    sites: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sites: Collection[str | None]) -> Scope:
        """The scope of closes of these sites; None among them stands for all."""
        return cls(None in sites, frozenset(site for site in sites if site))

    def covers(self, site: str) -> bool:
        """Whether a line of the site is bound."""
        return self.whole or site in self.sites


class Out(NamedTuple):
    """A decision to send: its type, what makes its id (with the type), and its data."""

    type: str
    ordinal: str
    data: Row


class Outcome(NamedTuple):
    """Rows to store and decisions to send, in order."""

    changed: list[Stored]
    out: list[Out]


def line_id(month: PatientMonth, key: Key) -> str:
    """The line's id: a UUIDv5 of what identifies it."""
    program, practitioner, code, window = key
    return _uuid5(f"line/{month.key}/{program}/{practitioner}/{code}/{'' if window is None else iso(window)}")


def event_id(kind: str, ordinal: str) -> str:
    """The id of a decision: a UUIDv5 of its type and ordinal, so that a repeat has the same one."""
    return _uuid5(f"{kind}/{ordinal}")


def _uuid5(name: str) -> str:
    """`str(uuid.uuid5(NAMESPACE, name))` without the objects on the way, which cost more than the hash (RFC 9562 §5.5)."""
    hashed = _SPACE.copy()
    hashed.update(name.encode())
    digest = hashed.hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANTS[digest[16]]}{digest[17:20]}-{digest[20:32]}"


_MOST_AMOUNTS: Final = 16_384
_AMOUNTS: Final[dict[int, str]] = {}
"""Amounts written lately: there are as many as prices, and some multiples."""


def money(cents: int | None) -> str | None:
    """US cents as a decimal string of dollars."""
    if cents is None:
        return None
    text = _AMOUNTS.get(cents)
    if text is None:
        if len(_AMOUNTS) >= _MOST_AMOUNTS:
            _AMOUNTS.clear()
        text = _AMOUNTS[cents] = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return text


def amount(units: int, cents: int | None) -> int | None:
    """Units times the amount of one, in US cents; None where no price is known."""
    return None if cents is None else units * cents


def line_row(month: PatientMonth, identifier: str, line: Line, revision: int, rule_set: str) -> Row:
    """A line as `caremonth lines --json` shows it."""
    row: Row = {
        "line_id": identifier,
        "tenant": month.tenant,
        "patient_id": month.patient,
        "month": month.month,
        "program": line.program,
        "practitioner_id": line.practitioner,
        "site_id": line.site,
        "code": line.code,
        "units": line.units,
        "excess_units": line.excess,
        "status": line.status,
        "unmet": list(line.unmet),
        "date_of_service": iso(line.day),
        "seconds": line.seconds,
        "unit_amount": money(line.cents),
        "amount": money(amount(line.units, line.cents)),
        "revision": revision,
        "rule_set": rule_set,
        "evidence": [identity.replace("\t", "|") for identity in line.evidence],
    }
    if line.base is not None:
        row["base"] = line.base
    if line.window_start is not None and line.window_end is not None:
        row |= {"days": line.days, "window_start": iso(line.window_start), "window_end": iso(line.window_end)}
    if line.excluded_by is not None:
        row["excluded_by"] = line_id(month, line.excluded_by)
    return row


def settle(
    month: PatientMonth,
    stored: Mapping[Key, Stored],
    lines: Iterable[Line],
    scope: Scope,
    rule_set: str,
    cause: Row,
    undone: Mapping[str, int] = NOTHING_UNDONE,
) -> Outcome:
    """Compare a decision with what stands and say what changes.

    Where rules are taken back, `undone` are the US cents of the adjustments since they were put in force, by line id.
    """
    decided = {line.key: line for line in lines}
    outcome = Outcome([], [])
    for key in sorted(stored.keys() | decided.keys(), key=order):
        _Step(month, key, stored, decided, scope, rule_set, cause, undone).run(outcome)
    _group(outcome.out)
    return outcome


def _group(out: list[Out]) -> None:
    """Give the adjustments of one decision one name."""
    adjustments = [o for o in out if o.type == ADJUSTMENT]
    for one in adjustments:
        one.data["group"] = event_id("group", adjustments[0].ordinal)


def order(key: Key) -> tuple[str, str, str, int]:
    """Lines in order: program, practitioner, code, window."""
    return key[0], key[1], key[2], key[3] or 0


def bound_site(before: Stored | None, now: Line | None, stored: Mapping[Key, Stored], scope: Scope) -> str | None:
    """The closed site to which a line is bound, if any: its own close, its base's, or that of the site it now belongs to."""
    if before is not None and before.status == CLOSED:
        return before.closed_site
    if now is None:
        return None
    base = stored.get((now.program, now.practitioner, now.base, None)) if now.base else None
    if base is not None and base.status == CLOSED:
        return base.closed_site
    return now.site if scope.covers(now.site) else None


def payable(now: Line | None, closed_site: str | None) -> Line | None:
    """The line, if it is payable on the closed side."""
    return now if now is not None and now.status in PAYABLE and closed_site is not None else None


def owed(before: Stored, line: Line | None, undone: int = 0) -> tuple[int, int | None]:
    """Units and cents now payable on the closed side, less those closed and already adjusted; None cents where the amount is unknown.

    An amount that is unknown is nowhere taken for zero: what was said of it so far stands until it is known, and units that go
    without one ever having been said of them go without one. Only where other rules are taken back, under which it was known, is
    what was proposed since taken back too: `undone`, in US cents.
    """
    units = (line.units if line else 0) - before.closed_units - before.adjusted_units
    cents = amount(line.units, line.cents) if line else 0
    if cents is None and undone:
        return units, -undone
    delta = None if cents is None else cents - before.closed_cents - before.adjusted_cents
    return units, delta if delta or line else None


class _Step:
    """One line of the comparison."""

    __slots__ = ("before", "bound_site", "cause", "month", "now", "payable", "rule_set", "scope", "undone")

    def __init__(
        self,
        month: PatientMonth,
        key: Key,
        stored: Mapping[Key, Stored],
        decided: Mapping[Key, Line],
        scope: Scope,
        rule_set: str,
        cause: Row,
        undone: Mapping[str, int],
    ) -> None:
        self.month = month
        self.before = stored.get(key) or Stored(line_id(month, key), key, GONE, 0, {})
        self.now = decided.get(key)
        self.scope = scope
        self.rule_set = rule_set
        self.cause = cause
        self.undone = undone.get(self.before.line_id, 0)
        self.bound_site = bound_site(self.before, self.now, stored, scope)
        self.payable = payable(self.now, self.bound_site)
        """What is payable now on the closed side."""

    def run(self, outcome: Outcome) -> None:
        before = self.before
        status, row = self._listed()
        emitted = self._emitted(status, row)
        delta_units, delta_cents = owed(before, self.payable, self.undone)
        adjusted = bool(delta_units or delta_cents)
        revision = before.revision + (emitted is not None or adjusted or self._differs(status, row))
        if status != CLOSED and row:
            row = {**row, "revision": revision}
        after = Stored(
            before.line_id, before.key, status, revision, row, before.closed_units, before.closed_cents,
            (adjusted and self.bound_site) or before.closed_site,
            before.adjusted_units + delta_units, before.adjusted_cents + (delta_cents or 0),
        )  # fmt: skip
        if after != before:
            outcome.changed.append(after)
        if emitted is not None:
            shown = row if emitted == LINE_READY else {**before.row, "revision": revision}
            outcome.out.append(Out(emitted, f"{after.line_id}/{revision}", shown))
        if adjusted:
            outcome.out.append(self._adjustment(after, delta_units, delta_cents))

    def _listed(self) -> tuple[str, Row]:
        """Status and row of the line as it is listed after this decision; adjustments apart."""
        before, now = self.before, self.now
        if before.status == CLOSED:
            return CLOSED, before.row
        if now is None:
            return GONE, before.row
        row = line_row(self.month, before.line_id, now, before.revision, self.rule_set)
        return GONE if self.payable else now.status, row

    def _differs(self, status: str, row: Row) -> bool:
        return status != self.before.status or _values(_STANDING, row) != _values(_STANDING, self.before.row)

    def _emitted(self, status: str, row: Row) -> str | None:
        if status == READY:
            same = self.before.status == READY and _values(BILLED, row) == _values(BILLED, self.before.row)
            return None if same else LINE_READY
        return LINE_WITHDRAWN if self.before.status == READY else None

    def _adjustment(self, after: Stored, units: int, cents: int | None) -> Out:
        before, now = self.before, self.now
        shown = line_row(self.month, before.line_id, now, after.revision, self.rule_set) if now is not None else dict(before.row)
        if self.payable is None:
            shown |= {"units": 0, "amount": "0.00"}
        more: Row = {
            "status": CLOSED,
            "site_id": self.bound_site or before.closed_site or shown.get("site_id"),
            "revision": after.revision,
            "units_delta": units,
            "amount_delta": money(cents),
            "cause": self.cause,
            "kind": "underpayment" if (cents or units) > 0 else "overpayment",
        }
        if before.status == CLOSED and self.payable is not None and iso(self.payable.day) != before.row["date_of_service"]:
            more |= {"date_of_service": before.row["date_of_service"], "date_of_service_to": iso(self.payable.day)}
        return Out(ADJUSTMENT, f"{after.line_id}/{after.revision}", shown | more)


BILLED: Final = ("units", "date_of_service", "site_id", "amount", "unit_amount")
_STANDING: Final = (*BILLED, "excess_units", "unmet", "excluded_by")


def _values(names: tuple[str, ...], row: Row) -> list[object]:
    return [row.get(name) for name in names]


def close(month: PatientMonth, stored: Iterable[Stored], site: str | None) -> Outcome:
    """Carry a close out: the patient's ready and awaiting lines it binds become final, whatever follows."""
    outcome = Outcome([], [])
    for line in sorted(stored, key=lambda s: order(s.key)):
        if line.status in (READY, AWAITING_CLOSE) and (site is None or line.row["site_id"] == site):
            outcome.changed.append(_closed(line))
    if outcome.changed:
        data: Row = {
            "tenant": month.tenant,
            "patient_id": month.patient,
            "month": month.month,
            "site_id": site,
            "lines": [line.row for line in outcome.changed],
        }
        outcome.out.append(Out(MONTH_CLOSED, f"{month.key}/{site or ''}", data))
    return outcome


def _closed(line: Stored) -> Stored:
    revision = line.revision + 1
    cents = cents_of(line.row["unit_amount"])
    return line._replace(
        status=CLOSED,
        revision=revision,
        row={**line.row, "status": CLOSED, "revision": revision},
        closed_units=line.row["units"],
        closed_cents=amount(line.row["units"], cents) or 0,
        closed_site=line.row["site_id"],
    )


def cents_of(text: str | None) -> int | None:
    """US cents of a decimal string of dollars."""
    return None if text is None else round(float(text) * 100)
