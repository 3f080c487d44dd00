"""Opening the ledger that the settings name."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from caremonth.cli_errors import RefusedError
from caremonth.cli_options import Settings
from ledger import Ledger, open_ledger, schema
from ledger.database import reading

_FILE_URLS: Final = ("sqlite:///", "sqlite+pysqlite:///")


def opened(settings: Settings, *, create: bool = False) -> Ledger:
    """The ledger the settings name. Without `create` none is made: a mistyped URL must not leave an empty file behind."""
    if not create and not _is_there(settings.db):
        raise RefusedError("there is no ledger at this URL yet; ingest events first, or name another with --db")
    gc.freeze()
    gc.enable()
    return open_ledger(settings.db, settings.rules, full_sync=settings.full_sync, create=create)


def has_ledger(settings: Settings) -> bool:
    """Whether the URL may lead to a ledger that exists."""
    return _is_there(settings.db)


def _is_there(url: str) -> bool:
    """Only a file of SQLite can be looked for without opening it; a server tells itself."""
    for prefix in _FILE_URLS:
        if url.startswith(prefix):
            path = url[len(prefix) :].partition("?")[0]
            return path == ":memory:" or Path(path).is_file()
    return True


def patient_months(ledger: Ledger) -> int:
    """How many patient-months the ledger holds."""
    with reading(ledger.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)
