"""What is stored of some patients of a tenant, read in bulk for `verify`."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.holding import Holding, Json, Month, keep_lines, keep_sent
from ledger import schema
from ledger.booking import conflicts_of
from ledger.keys import one_of
from ledger.outbox import mark_of
from ledger.rows import of_numbers, of_texts

_E, _M, _L, _O, _P = schema.events.c, schema.months.c, schema.lines.c, schema.outbox.c, schema.patients.c
_PATIENTS: Final = select(_P.key, _P.facts).where(one_of(_P.key))
_MONTHS: Final = select(_M.key, _M.facts, _M.state).where(one_of(_M.key))
_LINES: Final = select(
    _L.line_id, _L.program, _L.practitioner, _L.code, _L.window, _L.status, _L.revision, _L.row, _L.closed_units, _L.closed_cents,
    _L.closed_site, _L.adjusted_units, _L.adjusted_cents, _L.patient, _L.month, _L.month_key,
).where(_L.tenant == bindparam("tenant"), one_of(_L.patient))  # fmt: skip
EVENTS: Final = (
    select(_E.subject, _E.time, _E.digest, _E.raw, _E.source, _E.id, _E.type, _E.replaces)
    .where(_E.tenant == bindparam("tenant"), one_of(_E.subject))
    .order_by(_E.tenant, _E.subject, _E.seq)
)  # fmt: skip
_SENT: Final = select(_O.sequence, _O.id, _O.type, _O.tenant, _O.event).where(one_of(_O.sequence)).order_by(_O.sequence)


def parsed(text: bytes) -> dict[str, Any]:
    """A stored object; an empty one where somebody made it something else, which then differs from what is expected."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


JSON: Final = Json(parsed, orjson.dumps, mark_of)


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
        rows = self._counted("lines", of_texts(self.connection, _LINES, list(self.of), tenant=self.tenant))
        keep_lines(self.of, self.tenant, rows, JSON)

    def _sent(self, decisions: Mapping[str, array[int]]) -> None:
        owner = {number: subject for key, subject in self.keys.items() for number in decisions.get(key, ())}
        keep_sent(self.of, owner, self._counted("outbox", of_numbers(self.connection, _SENT, sorted(owner))))
