"""Each session tells the last transaction that it committed."""

from alembic import op

from ledger.schema import metadata

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the new table."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables["commits"]])
