"""What was said of rule sets: approved or retired, by whom and why."""

from __future__ import annotations

from sqlalchemy import Connection

from domain.rulebook import Rulebook
from ledger.errors import LedgerError


def require_applicable(connection: Connection, rulebook: Rulebook) -> None:  # noqa: ARG001
    """LedgerError for rules that are only proposed."""
    if rulebook.legal_status == "proposed":
        raise LedgerError(f"rule set {rulebook.id} is only proposed: a plan under it can be shown, not carried out")
