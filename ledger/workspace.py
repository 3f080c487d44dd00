"""The documents one transaction works on: read once, changed in memory, written once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from domain.records import EVERY, Fact, Facts, add, note_taken_out, reading_months, remove, spelled
from ledger import locks, schema
from ledger.database import found, insert_columns, sought
from ledger.keys import one_of
from ledger.marks import ROSTER_DUE, Causes

_PATIENTS: Final = select(schema.patients).where(one_of(schema.patients.c.key))
_MONTHS: Final = select(schema.months).where(one_of(schema.months.c.key))


class PatientDocument:
    """A patient's lasting facts, the months there is anything of, the sites and people they name, and what was told of the roster."""

    __slots__ = ("changed", "facts", "months", "references", "roster")

    def __init__(self, document: dict[str, Any]) -> None:
        self.months: set[str] = set(document.pop("months", ()))
        self.references: set[str] = set(document.pop("references", ()))
        self.roster: dict[str, Any] = document.pop("roster", {})
        self.facts: Facts = document
        self.changed = False

    def row(self) -> bytes:
        known = {"months": sorted(self.months), "references": sorted(self.references), "roster": self.roster}
        return orjson.dumps({**self.facts, **known}, option=orjson.OPT_SORT_KEYS)


class MonthDocument:
    """A month's entries and readings, and what deciding it remembers (`state`)."""

    __slots__ = ("changed", "facts", "state")

    def __init__(self, facts: Facts, state: dict[str, Any]) -> None:
        self.facts = facts
        self.state = state
        self.changed = False


class Workspace:
    """Documents by key, loaded in bulk and saved together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.patients: dict[str, PatientDocument] = {}
        self.months: dict[str, MonthDocument] = {}

    def hold(self, keys: Iterable[str], *, skip: bool = False) -> set[str]:
        """Have these patients to oneself and their documents at hand; with `skip` only those whom no other writer has. Returns whom."""
        return self.holding(keys, skip=skip)()

    def holding(self, keys: Iterable[str], *, skip: bool = False) -> Callable[[], set[str]]:
        """The same, when it is called for."""
        wanted = sorted(keys)
        if not locks.several(self.connection):
            self.load_patients(wanted)
            return lambda: set(wanted)
        held = locks.patients(self.connection, wanted, skip=skip)

        def kept() -> set[str]:
            got = dict(held())
            self.patients |= {key: PatientDocument(orjson.loads(document)) for key, document in got.items() if key not in self.patients}
            return set(got)

        return kept

    def load_patients(self, keys: Iterable[str]) -> None:
        """Have the documents of these patients at hand; unknown ones empty."""
        missing = sorted(set(keys) - self.patients.keys())
        known = dict(found(self.connection, _PATIENTS, missing))
        for key in missing:
            self.patients[key] = PatientDocument(orjson.loads(known[key]) if key in known else {})

    def load_months(self, keys: Iterable[str]) -> None:
        """Have the documents of these patient-months at hand; unknown ones empty."""
        self.months_coming(keys)()

    def months_coming(self, keys: Iterable[str]) -> Callable[[], None]:
        """The same, when it is called for."""
        missing = sorted(set(keys) - self.months.keys())
        rows = sought(self.connection, _MONTHS, missing)

        def kept() -> None:
            known = {key: (facts, state) for key, facts, state in rows()}
            for key in missing:
                facts, state = known.get(key, (b"{}", b"{}"))
                self.months[key] = MonthDocument(orjson.loads(facts), orjson.loads(state))

        return kept

    def add_lasting(self, patient: str, kind: str, fact: Fact) -> None:
        """Add a fact to a patient's document."""
        document = self.patients[patient]
        add(document.facts, kind, fact)
        document.changed = True

    def add_monthly(self, patient: str, month: str, kind: str, fact: Fact) -> None:
        """Add a fact to a month's document, which then is one of the patient's months."""
        document = self.months[f"{patient}/{month}"]
        add(document.facts, kind, fact)
        document.changed = True
        self.know_month(patient, month)

    def know_month(self, patient: str, month: str) -> None:
        """Remember that there is something of this month."""
        document = self.patients[patient]
        if month not in document.months:
            document.months.add(month)
            document.changed = True

    def remove(self, patient: str, kind: str, identity: str, months: Sequence[str], time: int) -> None:
        """Take a fact out, wherever it stands: of these months' documents, of the patient's where there are none.

        `time` is when what takes it out was recorded; the fact itself may never have been put in.
        """
        for month in months:
            self.know_month(patient, month)
        for document in [self.months[f"{patient}/{month}"] for month in months] if months else [self.patients[patient]]:
            remove(document.facts, kind, identity)
            note_taken_out(document.facts, kind, time)
            document.changed = True

    def earlier(self, patient: str, month: str) -> list[str]:
        """Keys of the earlier months whose readings bear on the month."""
        document = self.patients[patient]
        return [f"{patient}/{m}" for m in sorted(reading_months(document.facts, month) & document.months)]

    def expand(self, marks: Causes) -> Causes:
        """Marks spelled out as patient-months and rosters."""
        self.load_patients({patient for patient, _ in marks})
        wanted: Causes = {}
        for (patient, mark), causes in marks.items():
            document = self.patients[patient]
            months = {ROSTER_DUE} if mark == ROSTER_DUE else spelled(mark, document.months, document.facts)
            for month in {ROSTER_DUE, *months} if mark == EVERY else months:
                wanted.setdefault((patient, month), set()).update(causes)
        return wanted

    def save(self) -> None:
        """Write what changed."""
        patients = {key: document for key, document in self.patients.items() if document.changed}
        insert_columns(self.connection, schema.patients, (list(patients), [d.row() for d in patients.values()]), "upsert")
        months = {key: document for key, document in self.months.items() if document.changed}
        facts = [orjson.dumps(d.facts, option=orjson.OPT_SORT_KEYS) for d in months.values()]
        states = [orjson.dumps(d.state) for d in months.values()]
        insert_columns(self.connection, schema.months, (list(months), facts, states), "upsert")
        for patient in patients.values():
            patient.changed = False
        for month in months.values():
            month.changed = False
