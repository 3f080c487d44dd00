"""Bring a database to the newest schema within the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic.command import upgrade as alembic_upgrade
from alembic.config import Config
from sqlalchemy import Connection

from ledger import locks


def upgrade(connection: Connection) -> None:
    """Apply the versions that are missing, all or none of them; one process at a time."""
    locks.setup(connection)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    alembic_upgrade(config, "head")
