"""A patient's facts as deciding takes them, for one month after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.facts import Conflict, Entry, History, Memory, Reading
from domain.records import TYPES, Facts, made, reading_months


class Histories:
    """The histories of a patient's months: `months` are documents by month. What bears on many months is made, and found, once."""

    def __init__(self, patient: Facts, months: Mapping[str, Facts], conflicts: Sequence[Conflict]) -> None:
        self._lasting: dict[str, Any] = {name: made(TYPES[name], rows) for name, rows in patient.items() if name in TYPES}
        self._patient = patient
        self._months = months
        self._conflicts = conflicts
        self._readings: dict[str, list[Reading]] = {}
        self._memory = Memory()

    def lasting(self) -> History:
        """What lasts longer than a month."""
        return History(**self._lasting, memory=self._memory)

    def of(self, month: str) -> History:
        """The facts that bear on a month, as `domain.records.history` has them."""
        entries, readings = made(Entry, self._months.get(month, {}).get("entries", ())), list[Reading]()
        if self._lasting.get("set_ups"):
            for one in (*sorted(reading_months(self._patient, month) & self._months.keys()), month):
                readings += self._read(one)
        return History(**self._lasting, entries=entries, readings=readings, conflicts=self._conflicts, memory=self._memory)

    def _read(self, month: str) -> list[Reading]:
        readings = self._readings.get(month)
        if readings is None:
            readings = self._readings[month] = made(Reading, self._months.get(month, {}).get("readings", ()))
        return readings
