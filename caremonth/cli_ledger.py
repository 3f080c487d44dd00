"""Opening the ledger that the settings name."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from caremonth.cli_errors import RefusedError
from caremonth.cli_options import Settings
from ledger import registrations, schema
from ledger.database import reading
from ledger.errors import NoLedgerError
from ledger.reader import Reader, read_ledger

if TYPE_CHECKING:
    from ledger import Ledger

_FILE_URLS: Final = ("sqlite:///", "sqlite+pysqlite:///")


def opened(settings: Settings, *, create: bool = False, own_rules: bool = False) -> Ledger:
    """The ledger the settings name. Without `create` none is made: a mistyped URL must not leave an empty file behind.

    With `own_rules` whatever rules the program carries.
    """
    from ledger import open_ledger

    if not create:
        _require_ledger(settings)
    _wake_collector()
    return open_ledger(settings.db, settings.rules, full_sync=settings.full_sync, create=create, own_rules=own_rules)


def opened_to_read(settings: Settings) -> Reader:
    """The same for a command that only reads, which starts sooner."""
    _require_ledger(settings)
    _wake_collector()
    return read_ledger(settings.db, settings.rules)


def _require_ledger(settings: Settings) -> None:
    if not _is_there(settings.db):
        raise RefusedError("there is no ledger at this URL yet; ingest events first, or name another with --db")


def _wake_collector() -> None:
    """What is loaded by now stays until the end; only what comes after it need be looked through."""
    gc.freeze()
    gc.enable()


def opened_if_there(settings: Settings) -> Ledger | None:
    """The ledger the settings name; None where there is none yet."""
    try:
        return opened(settings) if _is_there(settings.db) else None
    except NoLedgerError:
        return None


def _is_there(url: str) -> bool:
    """Only a file of SQLite can be looked for without opening it; a server tells itself."""
    for prefix in _FILE_URLS:
        if url.startswith(prefix):
            path = url[len(prefix) :].partition("?")[0]
            return path == ":memory:" or Path(path).is_file()
    return True


def require_known(ledger: Ledger, tenant: str, site: str | None = None, *, warning: str = "") -> None:
    """RefusedError, ending with `warning`, for a tenant without any event or a site that is not registered there: a mistyped id."""
    t, r = schema.events.c, schema.registrations.c
    with reading(ledger.engine) as connection:
        if connection.execute(select(t.seq).where(t.tenant == tenant).limit(1)).first() is None:
            raise RefusedError(f"the ledger has no event of this tenant; check the id, or ingest the tenant's events first{warning}")
        registered = select(r.subject).where(r.tenant == tenant, r.kind == "site", r.subject == site).limit(1)
        if site is not None and connection.execute(registered).first() is None:
            raise RefusedError(
                f"this site is not registered in this tenant; check the id, or ingest the site's {registrations.SITE} event first{warning}"
            )


def patient_months(ledger: Ledger) -> int:
    """How many patient-months the ledger holds."""
    with reading(ledger.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)
