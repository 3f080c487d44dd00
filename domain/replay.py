"""The outbox of a patient replayed: what was sent against the lines, and against what each month remembers having sent.

A decision's id is made anew from what it says or from what the month remembers; each id is taken once. What a decision said that a later
one took back is history and has no other source: of it only ids, columns and places are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

from domain.alerts import ALERT
from domain.holding import Json, Kept, Month, Sent
from domain.lines import CLOSED, READY, Key
from domain.progress import PROGRESS
from domain.roster import ROSTER
from domain.settlement import ADJUSTMENT, BILLED, LINE_READY, LINE_WITHDRAWN, MONTH_CLOSED, SOURCE, Row, event_id

Lines = dict[str, Kept]
About = tuple[str, str, str]
_ALERTS: Final = {"reached": "threshold_reached", "near": "threshold_near", "conflicts": "time_conflict"}


def key_of(row: Row) -> Key:
    """The key of a line by its row."""
    window = row.get("window_start")
    return row["program"], row["practitioner_id"], row["code"], None if window is None else date.fromisoformat(window).toordinal()


def cents_of(text: str | None) -> int:
    """US cents of a decimal string; 0 where no price is known."""
    return 0 if text is None else round(float(text) * 100)


class Replay:
    """What a patient's decisions come to. `wrong` are the numbers of those that are not what was sent."""

    def __init__(
        self, tenant: str, patient: str, lines: Lines, months: dict[str, Month], stands: Sequence[tuple[str, str]], json: Json
    ) -> None:
        self.tenant = tenant
        self.patient = patient
        self.json = json
        self.about = f'"tenant":"{tenant}","subject":"{patient}",'
        self.places: dict[Any, Any] = {stored.line_id: (month, key) for month, kept in lines.items() for key, stored in kept.items()}
        self.lines: dict[str, tuple[str, Row]] = {}
        self.units: dict[str, int] = {}
        self.cents: dict[str, int] = {}
        self.groups: set[str] = set()
        self.steps: dict[str, list[str]] = {}
        self.marks: dict[str, str] = {}
        self.rosters: list[str] = []
        self.seen: set[str] = set()
        self.touched: set[str] = set()
        self.wrong: list[int] = []
        self.alerts = dict(_remembered(f"{tenant}/{patient}", months))
        self.alerts |= {_alert(f"close_stands/{tenant}/{identity}/{by}"): ("close_stands", "", identity) for identity, by in stands}

    def run(self, sent: Sequence[Sent]) -> None:
        """Take the decisions in order."""
        events = [self.json.parsed(row.event) for row in sent]
        self._expect([event.get("data") for row, event in zip(sent, events, strict=True) if row.type == ADJUSTMENT])
        for row, event in zip(sent, events, strict=True):
            sequence, identifier, kind, _, _ = row
            sound = identifier not in self.seen
            if sound:
                self.seen.add(identifier)
                try:
                    sound = self._framed(row, event) and self._take(kind, identifier, event["data"])
                except (LookupError, TypeError, ValueError, AttributeError):
                    sound = False
            if not sound:
                self.wrong.append(sequence)

    def _expect(self, adjustments: list[Any]) -> None:
        """Each adjustment is to have an alert, and a group named after one of them."""
        for data in adjustments:
            if isinstance(data, dict):
                ordinal = f"{data.get('line_id')}/{data.get('revision')}"
                self.groups.add(event_id("group", ordinal))
                self.alerts[_alert(f"adjustment_proposed/{ordinal}")] = ("adjustment_proposed", str(data.get("month")), ordinal)

    def _framed(self, row: Sent, event: Row) -> bool:
        _, identifier, kind, tenant, text = row
        head = f'{{"specversion":"1.0","id":"{identifier}","source":"{SOURCE}","type":"{kind}",{self.about}'
        return len(event) == 9 and bool(tenant == self.tenant and text.startswith(head.encode()))

    def _take(self, kind: str, identifier: str, data: Row) -> bool:
        if kind in (LINE_READY, LINE_WITHDRAWN):
            return self._line(kind, identifier, data)
        if kind == ALERT:
            return self._alerted(identifier, data)
        if kind == PROGRESS:
            return self._progressed(identifier, data)
        if kind == ROSTER:
            return self._enrolled(identifier, data)
        if kind == MONTH_CLOSED:
            return self._closed(identifier, data)
        return kind == ADJUSTMENT and self._adjusted(identifier, data)

    def _placed(self, data: Row) -> bool:
        """Whether the line a decision is about is stored as that patient's, month's, program's and code's."""
        self.touched.add(data["month"])
        return self._ours(data) and bool(self.places.get(data["line_id"]) == (data["month"], key_of(data)))

    def _ours(self, data: Row) -> bool:
        return bool(data["tenant"] == self.tenant and data["patient_id"] == self.patient)

    def _tell(self, kind: str, row: Row) -> None:
        """The line is now as it was told."""
        if isinstance(row["revision"], int):
            self.lines[row["line_id"]] = (kind, row)

    def _line(self, kind: str, identifier: str, data: Row) -> bool:
        self._tell(kind, data)
        return self._placed(data) and identifier == event_id(kind, f"{data['line_id']}/{data['revision']}")

    def _closed(self, identifier: str, data: Row) -> bool:
        self.touched.add(data["month"])
        for row in data["lines"]:
            self._tell(MONTH_CLOSED, row)
        month, site = data["month"], data["site_id"]
        here = all(self._placed(row) and row["month"] == month and site in (None, row["site_id"]) for row in data["lines"])
        return self._ours(data) and here and identifier == event_id(MONTH_CLOSED, f"{self.tenant}/{self.patient}/{month}/{site or ''}")

    def _adjusted(self, identifier: str, data: Row) -> bool:
        line, units, cents = data["line_id"], data["units_delta"], cents_of(data["amount_delta"])
        self.units[line] = self.units.get(line, 0) + units
        self.cents[line] = self.cents.get(line, 0) + cents
        kind = "underpayment" if (cents or units) > 0 else "overpayment"
        return (
            self._placed(data) and identifier == event_id(ADJUSTMENT, f"{line}/{data['revision']}")
            and data["kind"] == kind and data["group"] in self.groups
        )  # fmt: skip

    def _alerted(self, identifier: str, data: Row) -> bool:
        """Whether the month remembers the alert and it is about what the month remembers."""
        about = self.alerts.pop(identifier, None)
        if about is None or data["kind"] != about[0] or data["tenant"] != self.tenant:
            return False
        kind, month, name = about
        if kind == "close_stands":
            return bool(data["event"] == name.replace("\t", "|"))
        self.touched.add(month)
        if data["month"] != month or data["patient_id"] != self.patient:
            return False
        if kind == "time_conflict":
            return bool(data["event"] == name.replace("\t", "|"))
        if kind == "adjustment_proposed":
            return bool(data["line_id"] == name.partition("/")[0])
        return [data["program"], data["practitioner_id"], data["code"]] == name.split("/")[:3]

    def _progressed(self, identifier: str, data: Row) -> bool:
        month = data["month"]
        self.touched.add(month)
        steps = self.steps.setdefault(month, [])
        steps.append(identifier)
        self.marks[month] = self.json.mark(data)
        return self._ours(data) and identifier == event_id(PROGRESS, f"{self.tenant}/{self.patient}/{month}/{len(steps)}")

    def _enrolled(self, identifier: str, data: Row) -> bool:
        self.rosters.append(self.json.mark(data))
        return self._ours(data) and identifier == event_id(ROSTER, f"{self.tenant}/{self.patient}/{len(self.rosters)}")

    def differences(self, lines: Lines, months: dict[str, Month]) -> Iterator[str]:
        """What the replay and the stored lines and months do not agree on, after `run`."""
        who = f"of patient {self.patient}"
        for number in self.wrong:
            yield f"{self.tenant}: decision {number} {who} is not the one that was sent"
        for _, month, _ in sorted(self.alerts.values()):
            yield f"{self.tenant}: an alert {who} in {month} that the ledger remembers was not sent"
        for month in sorted({*months, *self.steps}):
            state = months[month].state if month in months else {}
            if state.get("steps", 0) != len(self.steps.get(month, ())) or state.get("progress") != self.marks.get(month):
                yield f"{self.tenant}: the progress {who} in {month} is not what was sent"
        for month, kept in sorted(lines.items()):
            for stored in kept.values():
                for fault in self._faults(stored):
                    yield f"{self.tenant}: line {stored.line_id} {who} in {month} {fault}"

    def _faults(self, stored: Any) -> Iterator[str]:
        kind, row = self.lines.get(stored.line_id, ("", {}))
        if stored.status == CLOSED:
            if kind != MONTH_CLOSED or row != stored.row:
                yield "is closed and not the closed line its close announced"
            if stored.closed_site != stored.row.get("site_id"):
                yield "is closed for another site than its own"
        elif kind == MONTH_CLOSED:
            yield "was closed and is no longer stored as closed"
        elif (kind == LINE_READY) != (stored.status == READY):
            yield "is not as it was announced"
        elif kind == LINE_READY and any(row.get(name) != stored.row.get(name) for name in BILLED):
            yield "is not billed as it was announced"
        if row and row["revision"] > stored.revision:
            yield "has an earlier revision than was announced"
        units, cents = self.units.get(stored.line_id, 0), self.cents.get(stored.line_id, 0)
        if (stored.adjusted_units, stored.adjusted_cents) != (units, cents):
            yield f"is adjusted by {stored.adjusted_units} units, but the proposals add up to {units}, or their amounts differ"


def _alert(about: str) -> str:
    return event_id(ALERT, about)


def _remembered(patient: str, months: dict[str, Month]) -> Iterator[tuple[str, About]]:
    """The ids of the alerts that a patient's months remember, each with its kind, month and what it is about."""
    for month, document in months.items():
        for name, kind in _ALERTS.items():
            for about in document.state.get(name, ()):
                yield _alert(f"{kind}/{patient}/{month}/{about}"), (kind, month, str(about))
