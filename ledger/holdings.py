"""What is stored of some patients of a tenant, read in bulk for `verify`."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.facts import Conflict
from domain.lines import Key
from domain.records import Facts
from domain.settlement import Stored
from ledger import schema
from ledger.booking import conflicts_of
from ledger.keys import one_of
from ledger.rows import of_numbers, of_texts

_M, _L, _O, _P = schema.months.c, schema.lines.c, schema.outbox.c, schema.patients.c
_PATIENTS: Final = select(_P.key, _P.facts).where(one_of(_P.key))
_MONTHS: Final = select(_M.key, _M.facts, _M.state).where(one_of(_M.key))
_LINES: Final = select(
    _L.line_id, _L.program, _L.practitioner, _L.code, _L.window, _L.status, _L.revision, _L.row, _L.closed_units, _L.closed_cents,
    _L.closed_site, _L.adjusted_units, _L.adjusted_cents, _L.patient, _L.month, _L.month_key,
).where(_L.tenant == bindparam("tenant"), one_of(_L.patient))  # fmt: skip
_SENT: Final = select(_O.sequence, _O.id, _O.type, _O.tenant, _O.event).where(one_of(_O.sequence)).order_by(_O.sequence)


def parsed(text: bytes) -> dict[str, Any]:
    """A stored object; an empty one where somebody made it something else, which then differs from what is expected."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Month(NamedTuple):
    """A month's document as it is stored: the facts in JSON, and the state."""

    facts: bytes
    state: dict[str, Any]


class Sent(NamedTuple):
    """A row of the outbox."""

    sequence: int
    id: str
    type: str
    tenant: str
    event: bytes


class Holding:
    """What is stored of one patient. `lines` are by month; `odd` counts lines whose columns are not those of their row."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.references: set[str] = set()
        self.roster: dict[str, Any] = {}
        self.facts: Facts = {}
        self.months: dict[str, Month] = {}
        self.lines: dict[str, dict[Key, Stored]] = {}
        self.conflicts: list[Conflict] = []
        self.sent: list[Sent] = []
        self.misplaced: list[str] = []


class Holdings:
    """Patients' holdings by subject; `seen` counts the rows found in each table."""

    def __init__(self, connection: Connection, tenant: str, subjects: Sequence[str]) -> None:
        self.connection = connection
        self.tenant = tenant
        self.keys = {f"{tenant}/{subject}": subject for subject in subjects}
        self.of = {subject: Holding() for subject in subjects}
        self.seen: Counter[str] = Counter()

    def load(self, further_months: Iterable[str], decisions: Mapping[str, array[int]]) -> None:
        """Read all tables; `further_months` are keys of months looked for beside those that the patients' documents name."""
        self._patients()
        self._months(further_months)
        self._lines()
        self._sent(decisions)
        for key, conflicts in conflicts_of(self.connection, self.keys).items():
            self.of[self.keys[key]].conflicts = conflicts

    def _counted(self, table: str, rows: list[Any]) -> list[Any]:
        self.seen[table] += len(rows)
        return rows

    def _patients(self) -> None:
        for key, text in self._counted("patients", of_texts(self.connection, _PATIENTS, list(self.keys))):
            document, one = parsed(text), self.of[self.keys[key]]
            one.known, one.references = set(document.pop("months", ())), set(document.pop("references", ()))
            one.roster = document.pop("roster", {})
            one.facts = document

    def _months(self, further: Iterable[str]) -> None:
        keys = {f"{key}/{month}" for key, subject in self.keys.items() for month in self.of[subject].known}
        for month_key, facts, state in self._counted("months", of_texts(self.connection, _MONTHS, sorted(keys.union(further)))):
            key, _, month = month_key.rpartition("/")
            self.of[self.keys[key]].months[month] = Month(facts, parsed(state))

    def _lines(self) -> None:
        for row in self._counted("lines", of_texts(self.connection, _LINES, list(self.of), tenant=self.tenant)):
            identifier, program, practitioner, code, window, status, revision, shown, units, cents, site, adjusted, more, *place = row
            patient, month, month_key = place
            key = (program, practitioner, code, window)
            stored = Stored(identifier, key, status, revision, parsed(shown), units, cents, site, adjusted, more)
            one = self.of[patient]
            one.lines.setdefault(month, {})[key] = stored
            if month_key != f"{self.tenant}/{patient}/{month}":
                one.misplaced.append(identifier)

    def _sent(self, decisions: Mapping[str, array[int]]) -> None:
        owner = {number: subject for key, subject in self.keys.items() for number in decisions.get(key, ())}
        for row in self._counted("outbox", of_numbers(self.connection, _SENT, sorted(owner))):
            self.of[owner[row[0]]].sent.append(Sent._make(row))
