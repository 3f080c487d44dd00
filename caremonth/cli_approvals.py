"""Approving and retiring rule sets from the command line."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

from sqlalchemy import Connection

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import clean, put, put_json
from domain.calendar import utc_text
from ledger import approvals
from ledger.retry import transaction
from ledger.rules import load, stored_book


def approve(settings: Settings, folder: Path, by: str, reason: str) -> None:
    """Record that the rule set of a folder is approved, and keep it whole. Raises RefusedError, LedgerError."""
    if not folder.is_dir():
        raise RefusedError(f"{folder} is not a folder; name one that holds rule files")
    book, now = load(folder), int(time())
    with opened(settings) as ledger:
        kept = transaction(ledger.engine, lambda connection: approvals.approve(connection, book, by, reason, now))
    _put(
        settings, {"rule_set": kept.id, "digest": kept.digest, "state": approvals.APPROVED, "by": by, "reason": reason, "at": utc_text(now)}
    )


def retire(settings: Settings, word: str, by: str, reason: str) -> None:
    """Record that a stored rule set, named by its id or the beginning of its digest, is retired. Raises RefusedError, LedgerError."""
    now = int(time())

    def work(connection: Connection) -> tuple[str, str]:
        found = approvals.stored(connection, word)
        if len(found) != 1:
            what = f"names several rule sets ({', '.join(found)})" if found else "is no rule set of this ledger"
            raise RefusedError(f"'{word}' {what}; `caremonth rules list` shows their ids and digests")
        approvals.retire(connection, found[0], by, reason, now)
        return stored_book(connection, found[0]).id, found[0]

    with opened(settings) as ledger:
        name, digest = transaction(ledger.engine, work)
    _put(settings, {"rule_set": name, "digest": digest, "state": approvals.RETIRED, "by": by, "reason": reason, "at": utc_text(now)})


def _put(settings: Settings, row: dict[str, Any]) -> None:
    if settings.json:
        put_json(row)
    else:
        put(clean(f"rule set {row['rule_set']} ({row['digest'][:12]}) is {row['state']}, says {row['by']}: {row['reason']}"))
