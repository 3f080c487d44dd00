"""What happened and what was decided: the event store, lines, outbox; one transaction a batch."""

from ledger.arrivals import Summary
from ledger.errors import LedgerError, RulesDifferError, UnknownPatientError
from ledger.ledger import Ledger, open_ledger
from ledger.positions import Claim, FencedError

__all__ = ["Claim", "FencedError", "Ledger", "LedgerError", "RulesDifferError", "Summary", "UnknownPatientError", "open_ledger"]
