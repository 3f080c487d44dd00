"""The documents one transaction works on: read once, changed in memory, written once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Table, select

from domain.records import Fact, Facts, add, months_of, reading_months, remove, with_windows
from ledger import locks, schema
from ledger.database import found, upsert_all
from ledger.keys import one_of
from ledger.marks import ROSTER_DUE, Cause
from ledger.marks import Key as MonthKey


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
        return orjson.dumps({**self.facts, **known})


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
        wanted = sorted(keys)
        if not locks.several(self.connection):
            self.load_patients(wanted)
            return set(wanted)
        got = {key: orjson.loads(document) for key, document in locks.patients(self.connection, wanted, skip=skip)}
        self.patients |= {key: PatientDocument(document) for key, document in got.items() if key not in self.patients}
        return set(got)

    def load_patients(self, keys: Iterable[str]) -> None:
        """Have the documents of these patients at hand; unknown ones empty."""
        missing = sorted(set(keys) - self.patients.keys())
        known = {key: document for key, document in _rows(self.connection, schema.patients, missing)}
        for key in missing:
            self.patients[key] = PatientDocument(orjson.loads(known[key]) if key in known else {})

    def load_months(self, keys: Iterable[str]) -> None:
        """Have the documents of these patient-months at hand; unknown ones empty."""
        missing = sorted(set(keys) - self.months.keys())
        known = {key: (facts, state) for key, facts, state in _rows(self.connection, schema.months, missing)}
        for key in missing:
            facts, state = known.get(key, (b"{}", b"{}"))
            self.months[key] = MonthDocument(orjson.loads(facts), orjson.loads(state))

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

    def remove(self, patient: str, kind: str, identity: str, low: int, high: int, *, monthly: bool) -> None:
        """Take a fact out, wherever it stands."""
        if not monthly:
            remove(self.patients[patient].facts, kind, identity)
            self.patients[patient].changed = True
            return
        for month in months_of(low, high):
            document = self.months[f"{patient}/{month}"]
            remove(document.facts, kind, identity)
            document.changed = True

    def earlier(self, patient: str, month: str) -> list[str]:
        """Keys of the earlier months whose readings bear on the month."""
        document = self.patients[patient]
        return [f"{patient}/{m}" for m in sorted(reading_months(document.facts, month) & document.months)]

    def expand(self, marks: Mapping[MonthKey, set[Cause]]) -> dict[MonthKey, set[Cause]]:
        """Marks with `*` spelled out as the roster and all months there may be something of."""
        self.load_patients({patient for patient, month in marks if month == "*"})
        spelled: dict[MonthKey, set[Cause]] = {}
        for (patient, month), causes in marks.items():
            for one in (ROSTER_DUE, *self.all_months(patient)) if month == "*" else (month,):
                spelled.setdefault((patient, one), set()).update(causes)
        return spelled

    def all_months(self, patient: str) -> set[str]:
        """The patient's months, and those in which a window of readings may still end."""
        document = self.patients[patient]
        if not document.facts.get("set_ups"):
            return document.months
        return with_windows(document.months)

    def save(self) -> None:
        """Write what changed."""
        changed = [{"key": key, "facts": d.row()} for key, d in self.patients.items() if d.changed]
        upsert_all(self.connection, schema.patients, changed)
        months = [
            {"key": key, "facts": orjson.dumps(d.facts), "state": orjson.dumps(d.state)} for key, d in self.months.items() if d.changed
        ]
        upsert_all(self.connection, schema.months, months)
        for patient in self.patients.values():
            patient.changed = False
        for month in self.months.values():
            month.changed = False


def _rows(connection: Connection, table: Table, keys: list[str]) -> Iterable[Any]:
    return found(connection, select(table).where(one_of(table.c.key)), keys)
