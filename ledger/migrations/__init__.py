"""Schema versions of the ledger, oldest first, run by Alembic."""
