"""Plans over much history: beside two ledgers, beside the oracle, and killed again and again (docs/testing.md)."""
