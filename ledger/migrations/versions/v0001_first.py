"""The first schema.

The tables are spelled by `ledger.schema` as it was at this version; a later version that changes one must spell the
old form out here first.
"""

from alembic import op

from ledger.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop all tables."""
    metadata.drop_all(op.get_bind())
