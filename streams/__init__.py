"""How events travel to and from the ledger."""
