"""What the ledger says when it cannot do what is asked."""


class LedgerError(Exception):
    """A request that cannot be met; the text says what, why, and what to do."""


class NoLedgerError(LedgerError):
    """Nothing was ever put at the database URL."""


class RulesDifferError(LedgerError):
    """The program carries other rules than those the ledger was decided by."""


class UnknownPatientError(LedgerError):
    """A patient of whom nothing is known in the tenant."""
