"""The ledger for who only reads: lines, explanations, decisions. Taking events in and deciding are in `ledger.ledger`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine

from domain.rulebook import Rulebook
from domain.settlement import PatientMonth
from domain.vocabulary import Vocabulary
from ledger import reading
from ledger.database import connect
from ledger.reading import Explained
from ledger.rules import Rules, ledger_rules, rules_for


class Reader:
    """One ledger, read. It loads without what takes events in: a command that only looks starts in a fraction of a second."""

    def __init__(self, engine: Engine, rules: Path | None = None, *, own_rules: bool = False) -> None:
        self.engine = engine
        self._directory = rules
        self._own_rules = own_rules
        self._held: Rules | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.engine.dispose()

    @property
    def rules(self) -> Rules:
        """The rules the ledger is decided by; raises RulesDifferError when the program carries others."""
        if self._held is None:
            self._held = ledger_rules(self.engine) if self._own_rules else rules_for(self.engine, self._directory)
        return self._held

    def require_rules(self) -> None:
        """RulesDifferError where the program carries other rules than those of the ledger; a new ledger takes them on."""
        _ = self.rules

    @property
    def rulebook(self) -> Rulebook:
        """The rule set of the months to come, in all tenants that have none of their own."""
        return self.rules.latest()

    @property
    def words(self) -> Vocabulary:
        """What events may name under the rules."""
        return self.rules.words

    def lines(self, tenant: str | None = None, month: str | None = None, patient: str | None = None) -> list[dict[str, Any]]:
        """Current lines, sorted as the contract has it."""
        return reading.lines(self.engine, tenant, month, patient)

    def explain(self, tenant: str, patient: str, month: str) -> dict[str, Any]:
        """The reason tree of a patient-month; LedgerError for a patient of whom nothing is known."""
        return self.explained(PatientMonth(tenant, patient, month)).tree

    def explained(self, one: PatientMonth) -> Explained:
        """The same with what it was made of."""
        return reading.explain(self.engine, self.rules, one)

    def events(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Decisions out, in order, after a position."""
        return reading.events(self.engine, after)

    def alerts(self, tenants: Sequence[str] | None = None, after: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Alerts raised, in order; of these tenants, after a position, at most so many."""
        return reading.alerts(self.engine, tenants, after, limit)

    def adjustments(self) -> list[dict[str, Any]]:
        """Adjustments proposed, in order."""
        return reading.adjustments(self.engine)

    def dead_letters(self) -> list[dict[str, Any]]:
        """Parked input, oldest first."""
        return reading.dead_letters(self.engine)


def read_ledger(url: str, rules: Path | None = None) -> Reader:
    """The ledger at a database URL, to be read; raises LedgerError where there is none or it cannot be opened."""
    return Reader(connect(url, create=False), rules)
