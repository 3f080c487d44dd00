"""What a ledger says of one history, so that two ways of telling it can be compared.

All histories of a `Teller` go into one ledger, each under tenants of its own: opening a ledger costs more than
deciding a small history, and the crowd of tenants is a test of their isolation besides.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Protocol, Self

from ledger import Ledger, LedgerError, Summary, open_ledger

Event = dict[str, Any]
Row = dict[str, Any]
PatientMonth = tuple[str, str, str]
LineKey = tuple[str, ...]

READY = "billing.line.ready.v1"
WITHDRAWN = "billing.line.withdrawn.v1"
ADJUSTMENT = "billing.adjustment.proposed.v1"
CLOSED = "billing.month.closed.v1"
ALERT = "care.alert.raised.v1"
PAYABLE = ("ready", "awaiting_close", "closed")
KEY = ("tenant", "patient_id", "month", "program", "practitioner_id", "code", "window_start")


@dataclass(frozen=True)
class Told:
    """One history as the ledger tells it: `rewritten` names closed lines that changed on the way."""

    summary: Summary
    lines: list[Row]
    trees: dict[PatientMonth, Row]
    events: list[Row]
    dead_letters: list[Row]
    rewritten: list[str]

    def sent(self, kind: str) -> list[Row]:
        """The data of the decisions of one type, in order."""
        return [event["data"] for event in self.events if event["type"] == kind]


class Ask(Protocol):
    """Puts a history to a ledger, in this order, and answers with what the ledger says of it.

    With an odd `batch` so many events are taken in at a time, in this order, and what they make due is decided before the next.
    With an even one the ledger takes the history as one file, in transactions of this size, and orders and decides it as it does files.
    """

    def __call__(self, events: Sequence[Event], batch: int = 1000) -> Told: ...


class Teller:
    """An `Ask` on one ledger in memory."""

    def __init__(self, url: str = "sqlite://") -> None:
        self.ledger: Ledger = open_ledger(url)
        self._numbers = count(1)
        self._position = self._parked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.ledger.__exit__(*exception)

    def __call__(self, events: Sequence[Event], batch: int = 1000) -> Told:
        names = {tenant: f"{tenant}-{next(self._numbers)}" for tenant in dict.fromkeys(event["tenant"] for event in events)}
        watch = _Watch(self.ledger, list(names.values()))
        inputs = [(f"history:{n}", json.dumps(_under(event, names)).encode()) for n, event in enumerate(events)]
        summary = self._step_by_step(inputs, batch, watch) if batch % 2 else self.ledger.ingest(inputs, batch=batch, progress=watch)
        back = {new: old for old, new in names.items()}
        lines = [_under(row, back) for new in names.values() for row in self.ledger.lines(new)]
        return Told(summary, lines, self._trees(events, lines, names, back), self._news(back), self._letters(), watch.rewritten)

    def _step_by_step(self, inputs: Sequence[tuple[str, bytes]], batch: int, watch: "_Watch") -> Summary:
        total = Summary()
        for first in range(0, len(inputs), batch):
            total += self.ledger.ingest(inputs[first : first + batch])
            watch(total)
        return total

    def _trees(self, events: Sequence[Event], lines: Sequence[Row], names: dict[str, str], back: dict[str, str]) -> dict[PatientMonth, Row]:
        months = {*months_of_time(events), *((row["tenant"], row["patient_id"], row["month"]) for row in lines)}
        found = {key: self._explained(names[key[0]], *key[1:]) for key in sorted(months)}
        return {
            key: _under({**tree, "programs": [{**p, "lines": [_under(line, back) for line in p["lines"]]} for p in tree["programs"]]}, back)
            for key, tree in found.items()
            if tree["programs"]
        }

    def _explained(self, tenant: str, patient: str, month: str) -> Row:
        """The explanation; without programs for a patient all of whose events were refused."""
        try:
            return self.ledger.explain(tenant, patient, month)
        except LedgerError as error:
            if "nothing is known of this patient" not in str(error):
                raise
            return {"tenant": tenant, "programs": []}

    def _news(self, back: dict[str, str]) -> list[Row]:
        news = list(self.ledger.events(self._position))
        self._position += len(news)
        return [{**_under(event, back), "data": _under(event["data"], back)} for event in news if event["tenant"] in back]

    def _letters(self) -> list[Row]:
        letters = self.ledger.dead_letters()[self._parked :]
        self._parked += len(letters)
        return letters


class _Watch:
    """Looks at the closed lines after every batch: once closed, a line must stay as it is."""

    def __init__(self, ledger: Ledger, tenants: Sequence[str]) -> None:
        self.ledger, self.tenants = ledger, tenants
        self.closed: dict[str, Row] = {}
        self.rewritten: list[str] = []

    def __call__(self, _total: Summary) -> None:
        rows = [row for tenant in self.tenants for row in self.ledger.lines(tenant)]
        now = {row["line_id"]: row for row in rows if row["status"] == "closed"}
        self.rewritten += [f"{key_of(row)} was closed and is not as it was" for name, row in self.closed.items() if now.get(name) != row]
        self.closed |= now


def _under(row: Row, names: dict[str, str]) -> Row:
    """The row with its tenant renamed; a close is about its tenant."""
    renamed = {**row, "tenant": names[row["tenant"]]}
    return renamed | {"subject": renamed["tenant"]} if row.get("subject") == row["tenant"] else renamed


def key_of(line: Row) -> LineKey:
    """What identifies a line in any ledger."""
    return tuple(str(line.get(name) or "") for name in KEY)


def plain(lines: Sequence[Row]) -> list[Row]:
    """Lines without what is historical; `excluded_by` names the winner by its key."""
    keys = {line["line_id"]: key_of(line)[3:] for line in lines}
    found = [{name: value for name, value in line.items() if name not in {"line_id", "revision", "rule_set"}} for line in lines]
    for line in found:
        if "excluded_by" in line:
            line["excluded_by"] = keys.get(line["excluded_by"], "a line that is not listed")
    return sorted(found, key=key_of)


def plain_trees(told: Told) -> dict[PatientMonth, Row]:
    """Explanations with plain lines."""
    return {
        key: {**tree, "programs": [{**program, "lines": [key_of(line) for line in program["lines"]]} for program in tree["programs"]]}
        for key, tree in told.trees.items()
    }


def months_of_time(events: Sequence[Event]) -> Iterator[PatientMonth]:
    """The months that time and visits may lie in, in any zone."""
    for event in events:
        if event["type"] in {"care.time.logged.v1", "care.visit.completed.v1"}:
            first, last = (datetime.fromisoformat(event["data"][name]) for name in ("start", "end"))
            for moment in (first - timedelta(hours=36), last + timedelta(hours=36)):
                yield event["tenant"], event["subject"], moment.strftime("%Y-%m")


def told_differences(one: Told, other: Told) -> list[str]:
    """Where two tellings come to something else."""
    found = _listed("line", plain(one.lines), plain(other.lines))
    here, there = plain_trees(one), plain_trees(other)
    return found + [f"explanation of {key} differs" for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)]


def _listed(what: str, one: list[Row], other: list[Row]) -> list[str]:
    here, there = ({json.dumps(row, sort_keys=True) for row in rows} for rows in (one, other))
    return [f"{what} only here: {row}" for row in sorted(here - there)] + [f"{what} only there: {row}" for row in sorted(there - here)]
