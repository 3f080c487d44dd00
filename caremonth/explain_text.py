"""The explanation of a patient-month for people: what may be billed and why, who did what when, what did not count, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select

from caremonth.cli_output import Branch
from caremonth.cli_text import clock, dollars
from caremonth.explain_reasons import rank, reason_text
from domain.decide import Decision, ProgramDecision
from domain.facts import Entry, Registry
from domain.rulebook import Rulebook
from domain.settlement import PatientMonth, money
from domain.standing import site_zone
from domain.tally import Excluded
from ledger import schema
from ledger.database import reading
from ledger.reader import Reader

Row = Mapping[str, Any]
Adjusted = Sequence[tuple[str, str, str, int, int]]
"""What was proposed for closed lines since: program, practitioner, code, units and cents."""

_DAY: Final = 86_400
_STATUS: Final = {
    "ready": ("ready to bill", "green"),
    "awaiting_close": ("payable when the month is closed", "green"),
    "held": ("held: something is missing, see below", "yellow"),
    "excluded": ("not payable", "yellow"),
    "closed": ("closed, final", "bold"),
}
NO_BOOKS: Final[Mapping[str, Rulebook]] = {}
_SOURCES: Final = {"timer": "timer", "manual": "by hand", "inferred": "inferred", "visit": "first visit"}


def explained(ledger: Reader, tenant: str, patient: str, month: str) -> list[Branch]:
    """The explanation of a patient-month in a ledger; LedgerError for a patient of whom nothing is known."""
    one = PatientMonth(tenant, patient, month)
    found = ledger.explained(one)
    with reading(ledger.engine) as connection:
        adjusted = _adjusted(connection, one.key)
    books = {book.id: book for book in ledger.rules.books.values()}
    return [_heading(found.tree), *Explanation(*found, adjusted, books).branches()]


def _adjusted(connection: Connection, month_key: str) -> Adjusted:
    t = schema.lines.c
    figures = select(t.program, t.practitioner, t.code, t.adjusted_units, t.adjusted_cents)
    changed = figures.where(t.month_key == month_key, or_(t.adjusted_units != 0, t.adjusted_cents != 0))
    return [tuple(row) for row in connection.execute(changed.order_by(t.program, t.practitioner, t.code))]


def _heading(tree: Row) -> Branch:
    month = date.fromisoformat(f"{tree['month']}-01").strftime("%B %Y")
    return Branch(f"{tree['patient_id']} · {month} · {tree['tenant']} · rule set {tree['rule_set']}", "bold")


class Explanation:
    """One explanation as a tree of texts."""

    def __init__(
        self, tree: Row, decision: Decision | None, registry: Registry, rulebook: Rulebook, adjusted: Adjusted = (),
        books: Mapping[str, Rulebook] = NO_BOOKS,
    ) -> None:  # fmt: skip
        """`books` are the ledger's rule sets by id: a closed line is told by the one that decided it."""
        self.tree = tree
        self.registry = registry
        self.rulebook = rulebook
        self.adjusted = adjusted
        self.books = books
        self.decided = {(p.program, p.practitioner): p for p in decision.programs} if decision else {}
        self.lines = {line["line_id"]: line for program in tree["programs"] for line in program["lines"]}

    def branches(self) -> Iterator[Branch]:
        """A branch a program, then the warnings."""
        for program in self.tree["programs"]:
            yield self._program(program, self.decided.get((program["program"], program["practitioner_id"])))
        if not self.tree["programs"]:
            yield Branch("No time was logged in this month, and nothing may be billed.")
        for warning in self.tree.get("warnings", ()):
            yield Branch(f"Note: {warning}", "yellow")

    def _program(self, program: Row, decided: ProgramDecision | None) -> Branch:
        track = f" · {program['track']} track" if program["track"] else ""
        left_out = sum(row["seconds"] for row in program["excluded"])
        so_far = f"{clock(program['counted_seconds'])} counted" + (f", {clock(left_out)} not counted" if left_out else "")
        parts = [*self._billed(program), *self._adjustments(program), *_missing(program), *self._next(program)]
        if decided is not None:
            parts += [*_counted(decided), *self._left_out(decided)]
        return Branch(f"{program['program']} · {program['practitioner_id']}{track} · {so_far}", "bold", tuple(parts))

    def _billed(self, program: Row) -> Iterator[Branch]:
        if program["lines"]:
            yield Branch("Lines", "", tuple(self._line(line) for line in program["lines"]))
        else:
            yield Branch("No line: no code is earned yet", "yellow")

    def _line(self, line: Row) -> Branch:
        says, style = _STATUS[line["status"]]
        if line["status"] == "excluded":
            winner = self.lines.get(line.get("excluded_by", ""))
            says = f"not payable beside {winner['code']} ({winner['program']}, {winner['practitioner_id']})" if winner else says
        price = f"  {dollars(line['amount'])}" if line["amount"] else "  no price known"
        text = self._book(line).texts.get(line["code"])
        rule = f"{text.label}: {text.rule} [{text.citation}]" if text else "the rule set in force has no text for this code"
        children = [Branch(rule, "dim"), *(Branch(more) for more in (*_line_notes(line), *self._decided_by(line)))]
        return Branch(f"{line['code']} × {line['units']}{price}  {line['date_of_service']}  {says}", style, tuple(children))

    def _book(self, line: Row) -> Rulebook:
        """The rule set that decided a line."""
        return self.books.get(line.get("rule_set", ""), self.rulebook)

    def _decided_by(self, line: Row) -> Iterator[str]:
        """The rule set that decided a line, where the month is decided by another one now."""
        book = self._book(line)
        if book.id != self.rulebook.id:
            yield f"closed under rule set {book.id}, which decided it; the month is decided by rule set {self.rulebook.id} now"

    def _adjustments(self, program: Row) -> Iterator[Branch]:
        for name, practitioner, code, units, cents in self.adjusted:
            if (name, practitioner) == (program["program"], program["practitioner_id"]):
                sign = "+" if cents >= 0 else ""
                what = f"{code} {units:+d} units, {sign}{dollars(money(cents))}"
                yield Branch(f"Adjusted since the close: {what} (`caremonth adjustments` says why)", "yellow")

    def _next(self, program: Row) -> Iterator[Branch]:
        ahead = program["next"]
        if ahead is not None:
            text = self.rulebook.texts.get(ahead["code"])
            yield Branch(f"Next: {clock(ahead['seconds_needed'])} more for {ahead['code']}" + (f" ({text.label})" if text else ""), "cyan")

    def _left_out(self, decided: ProgramDecision) -> Iterator[Branch]:
        pieces = sorted(decided.tally.excluded, key=lambda p: (rank(p.reason), p.start, p.entry.identity))
        if not pieces:
            return
        reasons = [self._reason(reason, list(found), decided) for reason, found in groupby(pieces, key=lambda p: p.reason)]
        yield Branch(f"Not counted: {clock(_seconds(pieces))}", "yellow", tuple(reasons))

    def _reason(self, reason: str, pieces: Sequence[Excluded], decided: ProgramDecision) -> Branch:
        says = reason_text(reason, decided, self.tree["month"], self.rulebook)
        rows = _rows((piece.start, piece.end, piece.entry, self._zone(piece.entry, piece.start)) for piece in pieces)
        return Branch(f"{clock(_seconds(pieces))} {says}", "", tuple(rows))

    def _zone(self, entry: Entry, instant: int) -> str:
        local = site_zone(self.registry, entry.site, instant)
        return local.name if local else "UTC"


def _line_notes(line: Row) -> Iterator[str]:
    if line.get("days"):
        yield f"{line['days']} days with a reading from {line['window_start']} to {line['window_end']}"
    if line["excess_units"]:
        yield f"{line['excess_units']} more earned, over the limit of units for one date of service: not payable"


def _missing(program: Row) -> Iterator[Branch]:
    for unmet in program["unmet"]:
        yield Branch(f"Missing ({unmet['requirement']}): {unmet['text']} [{unmet['citation']}]", "yellow")


def _counted(decided: ProgramDecision) -> Iterator[Branch]:
    pieces = decided.tally.counted
    if pieces:
        rows = _rows((start, end, entry, zone.name) for start, end, entry, zone in pieces)
        yield Branch(f"Counted: {clock(decided.tally.total)}", "green", tuple(rows))


def _seconds(pieces: Iterable[Excluded]) -> int:
    return sum(piece.end - piece.start for piece in pieces)


def _rows(pieces: Iterable[tuple[int, int, Entry, str]]) -> Iterator[Branch]:
    """Pieces of time under each other: when, how long, who, how it was recorded, which event."""
    cells = [
        (when(s, e, zone), clock(e - s), entry.performer, _kind(entry), entry.identity.replace("\t", "|")) for s, e, entry, zone in pieces
    ]
    widths = [max(len(row[n]) for row in cells) for n in range(4)]
    for row in cells:
        yield Branch(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}")


def when(start: int, end: int, zone: str) -> str:
    """A span in a site's local time."""
    first, last = (datetime.fromtimestamp(instant, ZoneInfo(zone)) for instant in (start, end))
    at = "%H:%M" if first.second == last.second == 0 else "%H:%M:%S"
    until = at if first.date() == last.date() else f"%d %b {at}"
    return f"{first.strftime(f'%a %d %b {at}')}–{last.strftime(until)} {last.strftime('%Z')}"


def _kind(entry: Entry) -> str:
    words = [_SOURCES.get(entry.source, entry.source)]
    if entry.interactive:
        words.append("with the patient")
    if entry.time - entry.end > _DAY:
        words.append(f"recorded {datetime.fromtimestamp(entry.time, ZoneInfo('UTC')).strftime('%d %b')}")
    return ", ".join(words)
