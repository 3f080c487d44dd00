"""What happened and what was decided: the event store, lines, outbox; one transaction a batch."""

from ledger.arrivals import Summary
from ledger.errors import LedgerError, RulesDifferError
from ledger.ledger import Ledger, open_ledger

__all__ = ["Ledger", "LedgerError", "RulesDifferError", "Summary", "open_ledger"]
