"""What was said of rule sets is kept."""

from alembic import op

from ledger.schema import metadata

revision = "0003"
down_revision = "0002"

NEW = ("approvals",)


def upgrade() -> None:
    """Create the new table."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables[name] for name in NEW])
